// What the console computes itself: receipts, quantisation, queries from text, values, requests to train across nodes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { concat, keccak256, toBytes } from "viem";
import { createServer } from "vite";
import { ROOT } from "../scripts/world.mjs";

const vite = await createServer({ root: `${ROOT}/console`, server: { middlewareMode: true, ws: false }, appType: "custom", logLevel: "error" });
after(() => vite.close());
const [{ queries }, { someAddress }, { extend }, { parseSchema, quantise }, { checkValuation, follows, partsOf, shapley, verdict, weightsOf }, { bareSchema, canonical, listHash, packed, readRequest, unpacked }, { nodeEntry }] = await Promise.all(
  ["csv", "chain", "receipt", "schema", "valuation", "request", "node"].map((name) => vite.ssrLoadModule(`/src/lib/${name}.ts`)),
);

test("receipts are those that `tribute-core` pins", () => {
  const query = Uint8Array.from({ length: 29 }, (_, i) => i + 1);
  assert.equal(extend(5n, query, 9n, 4).toString(16), "29b87549c98976e2e1570728b7cf70c7f8df15240b71fa7923acb782374b4666");
});

const features = [{ name: "a", lo: 0, hi: 255 }, { name: "b", lo: 0, hi: 1 }];
const schema = parseSchema(JSON.stringify({ name: "s", features, target: { classes: ["x", "y"] } }));

test("values become the bytes that `tribute-core` makes of them", () => {
  for (const [x, byte] of [[0, 0], [0.5, 0], [1.5, 2], [2.5, 2], [254.5, 254], [255, 255]]) {
    assert.deepEqual(quantise(schema, [x, 1], false), Uint8Array.of(byte, 255));
  }
  assert.throws(() => quantise(schema, [256, 0], false), /a is 256, outside 0 to 255/);
  assert.deepEqual(quantise(schema, [1e300, -1], true), Uint8Array.of(255, 0));
  assert.throws(() => quantise(schema, [NaN, 0], true), /a must be a number/);
  assert.throws(() => quantise(schema, [1], false), /has 2 values/);
});

test("queries are read from text, with and without header and label", () => {
  assert.deepEqual(queries("1,0.5\n2,0\n", schema), [[1, 0.5], [2, 0]]);
  assert.deepEqual(queries("b,label,a\n0.5,x,7\n", schema), [[7, 0.5]]);
  assert.deepEqual(queries("1\t0.5\tx\n", schema), [[1, 0.5]]);
  assert.throws(() => queries("1,x", schema), /Line 1: b is “x”/);
  assert.throws(() => queries("b\n1", schema), /no column a/);
  assert.throws(() => queries(" \n", schema), /no query/);
  assert.throws(() => queries("a,b\n", schema), /no query below/);
  assert.deepEqual(queries("\ufeff# by hand\r\n\"a\";\"b\";\"label\"\r\n7; 0.5;\"x;\"\"y\"\"\"\r\n\r\n8;1.;\n", schema), [[7, 0.5], [8, 1]]);
  assert.deepEqual(queries("1 0.5\n2  .5\n", schema), [[1, 0.5], [2, 0.5]]);
  for (const wrong of ["0x10", "1_0", "Infinity", "1,5", "NA", ""]) assert.throws(() => queries(`a;b\n1;0.5\n${wrong};0.25`, schema), /Line 3: a is “/, wrong);
  assert.throws(() => queries("7,0.5,3\n4,5\n", schema), /Line 2 has 2 values; the first line has 3/);
  assert.throws(() => queries("1,2,3,4\n", schema), /Line 1 has 4 values/);
  assert.throws(() => queries("a,b,c,d\n1,2,3,4\n", schema), /has 4 values/);
  assert.throws(() => queries("a,b,a\n1,2,3\n", schema), /names a twice/);
  assert.throws(() => queries('1,"2\n3,4\n', schema), /Line 1: a quote is opened/);
  assert.throws(() => queries('1,"2"3\n', schema), /Line 1: text follows/);
  assert.throws(() => queries("1.234;12\n999;7\n", schema), /1.234 may be .* thousands/);
  assert.throws(() => queries("1.234\t12\n999\t7\n", schema), /1.234 may be .* thousands/);
  for (const separator of [";", "\t"]) assert.deepEqual(queries(`1.234${separator}0.5\n`, schema), [[1.234, 0.5]]);
  assert.deepEqual(queries("1.234,12\n999,7\n", schema), [[1.234, 12], [999, 7]]);
});

test("a header leaves out nothing but a label, and names are compared as the reader does", () => {
  for (const [header, column] of [["id,a,b", "1 .“id”"], ["a,b,ward", "3 .“ward”"], ["a,,b", "2 .“”"]]) {
    assert.throws(() => queries(`${header}\n1,0.5,0.25\n`, schema), new RegExp(`Column ${column}. is neither`), header);
  }
  for (const name of ["label", "Target", "class label", "Class_Label", "y"]) assert.deepEqual(queries(`a,${name},b\n1,x,0.5\n`, schema), [[1, 0.5]], name);
  // without a header the last of one column more is the label
  assert.deepEqual(queries("1,0.5,x\n", schema), [[1, 0.5]]);
  assert.deepEqual(queries("B , A\n0.5,7\n", schema), [[7, 0.5]]);
  assert.throws(() => queries("a,b,A\n1,0.5,2\n", schema), /Column 3 .“A”/);
  assert.throws(() => queries("A,b,A\n1,0.5,2\n", schema), /names a twice/);
  const cases = parseSchema(JSON.stringify({ name: "s", features: [{ name: "a", lo: 0, hi: 9 }, { name: "A", lo: 0, hi: 9 }], target: { classes: ["x", "y"] } }));
  assert.deepEqual(queries("A,a\n1,2\n", cases), [[2, 1]]);
  assert.throws(() => queries("a,label\n1,2\n", cases), /no column A/);
});

test("a column of another name is the label if it holds the schema's classes, unless they are numbers", () => {
  const predicting = (target) => parseSchema(JSON.stringify({ name: "s", features, target }));
  const [species, truths, codes, none, drinks] = [["setosa", "other"], ["True", "false"], ["0", "none"], ["none", "some"], ["caf\u00e9", "th\u00e9 vert"]].map((classes) => predicting({ classes }));
  const asked = [[1, 0.5], [2, 0.25]];
  for (const [labels, schema] of [
    [["setosa", "other"], species], [["other", "other"], species],
    // missing labels tell nothing, unless a class is spelled so
    [["setosa", ""], species], [["N/A", "other"], species], [["?", "setosa"], species], [["#¡REF!", "setosa"], species], [["none", "none"], none], [["None", "some"], none],
    // true and false in any case, other texts as they look
    [["TRUE", "False"], truths], [["cafe\u0301", "th\u00e9\u00a0vert"], drinks],
  ]) {
    const [one, other] = labels.map((label) => `"${label}"`);
    for (const text of [`a,b,species\n1,0.5,${one}\n2,0.25,${other}\n`, `species,b,a\n${one},0.5,1\n${other},0.25,2\n`]) {
      assert.deepEqual(queries(text, schema), asked, text);
    }
  }
  for (const [labels, schema] of [
    [["setosa", "ward 3"], species], [["Setosa", "other"], species], [["setosa", "7"], species], [["", "NA"], species], [["None", "None"], none],
    [["0", "none"], codes], [["none", "none"], codes], [["true", "yes"], truths], [["1", "0"], truths], [["0.5", "0.25"], predicting({ real: { lo: 0, hi: 1 } })],
  ]) {
    assert.throws(() => queries(`a,b,ward\n1,0.5,${labels[0]}\n2,0.25,${labels[1]}\n`, schema), /Column 3 .“ward”. is neither/, `${labels}`);
  }
  // the label's name is enough, whatever the column holds
  assert.deepEqual(queries("a,b,label\n1,0.5,7\n2,0.25,ward 3\n", species), asked);
  // a header without queries, and a row without its label
  assert.throws(() => queries("a,b,species\n", species), /no query below/);
  assert.throws(() => queries("a,b,species\n1,0.5,setosa\n2,0.25\n", species), /Line 3 has 2 values/);
});

test("without a header, one value more is a label of the schema", () => {
  const predicting = (target) => parseSchema(JSON.stringify({ name: "s", features, target }));
  const [codes, truths, real] = [{ classes: ["0", "1.0", "07"] }, { classes: ["True", "false"] }, { real: { lo: 0, hi: 1 } }].map(predicting);
  for (const [labels, schema] of [[["0", "1", "07"], codes], [["0.0", "1.0", "NA"], codes], [["7", "1.00", "1.000000000000000000e+00"], codes], [["TRUE", "False", ""], truths], [["0.5", "7", "?"], real]]) {
    assert.deepEqual(queries(labels.map((label, i) => `${i},0.5,${label}\n`).join(""), schema), labels.map((_, i) => [i, 0.5]), `${labels}`);
  }
  for (const [label, schema] of [["2", codes], ["70", codes], ["1.01", codes], ["1", truths], ["ward", real]]) {
    assert.throws(() => queries(`1,0.5,\n2,0.25,${label}\n`, schema), new RegExp(`Line 2 has one value too many: the last, “${label}”, is no label`), label);
  }
});

test("a comment above the queries is their header if it has the schema's names, or others for every value", () => {
  const asked = [[1, 20], [2, 30]];
  for (const header of ["# b,a", "##B, A", "# b,a\n#\n# units: mm, mm", "# it's \"by hand\n# b,a", "# a,b\n# b,a", "# by hand\n\n# b,a"]) {
    assert.deepEqual(queries(`${header}\n20,1\n30,2\n`, schema), asked, header);
  }
  assert.deepEqual(queries("# b,a,label\n20,1,x\n30,2,y\n", schema), asked);
  assert.deepEqual(queries("sep=\t\n# b\ta\n20\t1\n30\t2\n", schema), asked);
  assert.deepEqual(queries("# b a\n20 1\n30 2\n", schema), asked);
  // the features in order are no header that lacks the label's name
  assert.deepEqual(queries("# a, b\n1,20,x\n2,30,y\n", schema), asked);
  // nor is a remark that is not the last
  assert.deepEqual(queries("# by hand, twice\n# units are mm\n1,20\n2,30\n", schema), asked);
  // values that count like names
  const counted = parseSchema(JSON.stringify({ name: "s", features, target: { classes: ["2", "7"] } }));
  assert.deepEqual(queries("# b,a,label\n0,1,2\n30,2,7\n", counted), [[1, 0], [2, 30]]);
  // a name too few or too many, or other separators
  for (const [text, line] of [["# b,a\n20,1,x\n", 1], ["# by hand\n# b,a,label\n20,1\n", 2], ["# b;a\n20,1\n", 1], ["# b a\n20,1\n", 1], ["# b,a\n20 1\n", 1]]) {
    assert.throws(() => queries(text, schema), new RegExp(`Line ${line} names the columns in a comment, but not one for each`), text);
  }
  assert.throws(() => queries("# by hand\n# c,b\n20,1\n", schema), /header in line 2 has no column a/);
  assert.throws(() => queries("# by hand, twice\n20,1\n", schema), /header in line 1 has no column a/);
  assert.deepEqual(queries("# a and b, by hand, twice\n# a note on b\n1,20\n2,30\n", schema), asked);
  const numbered = parseSchema(JSON.stringify({ name: "s", features: ["0", "1"].map((name) => ({ name, lo: 0, hi: 9 })), target: { classes: ["x", "y"] } }));
  assert.throws(() => queries("# 1,0\n5,6\n", numbered), /Line 1 starts with #/);
  // a header of its own comes first
  assert.deepEqual(queries("# a,b\nb,a\n20,1\n30,2\n", schema), asked);
});

test("a first column named # makes no comment of the header, and no comment hides a query", () => {
  for (const s of [",", ";", "\t"]) {
    const table = (...rows) => rows.map((row) => row.join(s)).join("\n");
    assert.throws(() => queries(table(["#", "b", "a"], [1, 20, 1], [2, 30, 2]), schema), /Column 1 .“#”. is neither/, s);
    assert.throws(() => queries(table(["#", "b", "a", "label"], [1, 20, 1, "x"]), schema), /has 4 values/, s);
    assert.throws(() => queries(table(["#", "c", "d"], [1, 20, "x"]), schema), /header in line 1 has no column a/, s);
    assert.throws(() => queries(table([1, 20], ["#2", 30], [3, 40]), schema), /Line 2 starts with # like a comment/, s);
    assert.throws(() => queries(table(["#2", 30], [3, 40]), schema), /Line 1 starts with #/, s);
    assert.throws(() => queries(table([1, 20], ["# by hand", "again"], [3, 40]), schema), /Line 2 starts with #/, s);
  }
  assert.throws(() => queries("1 20\n#2 30\n", schema), /Line 2 starts with #/);
  for (const s of [",", " "]) assert.deepEqual(queries(`# by hand\n1${s}20\n# it ends, here, now\n# the end\n`, schema), [[1, 20]]);
});

test("the first line may name the separator", () => {
  assert.deepEqual(queries("sep=;\r\na;b\r\n1;0.5\r\n", schema), [[1, 0.5]]);
  assert.deepEqual(queries("sep=\t\n1\t0.5\n", schema), [[1, 0.5]]);
  assert.throws(() => queries("sep=;\n1;x\n", schema), /Line 2: b is “x”/);
  assert.throws(() => queries("sep=|\n1|2\n", schema), /names the separator “\|”/);
});

test("a line of numbers may be a header", () => {
  assert.throws(() => queries("0,1,2\n5,0.5,1\n", schema), /names or values/);
  assert.deepEqual(queries("0,1,x\n", schema), [[0, 1]]);
  const numbered = (n) => parseSchema(JSON.stringify({ name: "s", features: Array.from({ length: n }, (_, i) => ({ name: `${i}`, lo: 0, hi: 9 })), target: { classes: ["x", "y"] } }));
  assert.deepEqual(queries("0,1,2,3\n5,6,7,8\n", numbered(4)), [[5, 6, 7, 8]]);
  assert.deepEqual(queries("3,label,0,1,2\n5,x,6,7,8\n", numbered(4)), [[6, 7, 8, 5]]);
  assert.throws(() => queries("3,1,2,0\n5,6,7,8\n", numbered(4)), /names or values/);
  assert.throws(() => queries("1,0\n", numbered(2)), /names or values/);
});

test("a line whose names are numbers may be values, and then a class beside them is a label", () => {
  const naming = (names, target = { classes: ["x", "y"] }) => parseSchema(JSON.stringify({ name: "s", features: names.map((name) => ({ name, lo: 0, hi: 999 })), target }));
  const [two, points, ranks] = [naming(["0", "1"]), naming(["0.1", "0.2"]), naming(["1", "2", "3"], { classes: ["eel", "cod"] })];
  for (const [text, numbered] of [
    ["1,0,x\n0,1,y\n1,1,y\n", two], ["0,1,x\n5,6,y\n", two], ["x,1,0\ny,5,6\n", two], ["1,0,\n5,6,x\n", two], ["0.1,0.2,x\n5,6,y\n", points], ["2,3,1,eel\n1,2,3,cod\n", ranks],
    ["1,2,3,eel\n4,5,6,cod\n", ranks], ["0,1,2\n5,6,3\n", naming(["0", "1"], { classes: ["2", "3"] })], ["0.2,0.1,3\n5,6,x\n", points], ["0.1,0.2,0.5\n5,6,0.7\n", naming(["0.1", "0.2"], { real: { lo: 0, hi: 1 } })],
  ]) {
    assert.throws(() => queries(text, numbered), /The first line may hold names or values: begin with the schema's names and “label”, and add/, text);
  }
  // default names that are not the schema's, and others that may be
  for (const [text, numbered] of [
    ["0.0,1.0,2.0,3.0\n5,6,7,8\n", naming(["0", "1", "2", "3"])], ["1,2\n0.5,7\n", schema], ["10,20,30\n1,2,3\n2,3,4\n", ranks], ["1,3,5\n12,15,6\n", ranks], ["2019,2018,2020\n1,2,3\n", ranks],
  ]) {
    assert.throws(() => queries(text, numbered), /The first line may hold names or values: begin with the schema's names\./, text);
  }
  // the advice, followed
  assert.deepEqual(queries("0,1,label\n1,0,x\n0,1,\n", two), [[1, 0], [0, 1]]);
  assert.deepEqual(queries("1,0,label\n5,6,x\n", two), [[6, 5]]);
  assert.throws(() => queries("#1,0,x\n5,6,y\n", two), /Line 1 starts with # like a comment/);
  assert.deepEqual(queries("1,2,3,4\n5,6,7,eel\n", ranks), [[5, 6, 7]]);
  // some of the names, beside other numbers, are values
  assert.deepEqual(queries("1,0.5,x\n", naming(["1", "b"])), [[1, 0.5]]);
  assert.deepEqual(queries("1,0.5,x\n", naming(["a", "x"])), [[1, 0.5]]);
  for (const values of [[10, 20, 5], [20, 10, 30], [4, 5, 8], [0.5, 1.5, 2.5]]) {
    assert.deepEqual(queries(`${values}\n12,5,6\n`, ranks), [values, [12, 5, 6]], `${values}`);
  }
  assert.deepEqual(queries("0,1\n0,7\n", schema), [[0, 1], [0, 7]]);
});

test("a column of categories holds one of them, as for the reader of tables", () => {
  const hot = (columns, target = { classes: ["x", "y"] }) =>
    parseSchema(JSON.stringify({ name: "s", features: columns.flatMap(([name, ...values]) => (values.length > 0 ? values.map((v) => ({ name: `${name}=${v}`, lo: 0, hi: 1 })) : [{ name, lo: 0, hi: 99 }])), target,
      categories: columns.flatMap(([column, ...values], i) => (values.length > 0 ? [{ column, first: columns.slice(0, i).reduce((n, c) => n + Math.max(1, c.length - 1), 0), values }] : [])) }));
  const city = hot([["age"], ["city", "Oslo", "Rome"]]);
  const asked = [[39, 1, 0], [40.5, 0, 1]];
  for (const text of ["age,city\n39,Oslo\n40.5,Rome\n", "39,Oslo\n40.5,Rome\n", "39,Oslo,x\n40.5,Rome,\n", "City;Age;label\nOslo;39;y\n\"Rome\";40.5;x\n", "39 Oslo\n40.5 Rome\n", "# city,age\nOslo,39\nRome,40.5\n"]) {
    assert.deepEqual(queries(text, city), asked, text);
  }
  for (const [text, said] of [
    ["39,1,1\n", /Line 1: city is “1”, which is none of Oslo, Rome/], ["39,0.5,0.2\n", /city is “0.5”/], ["39,1,0,x\n", /Line 1 has 4 values; a query has 2/], ["age,city=Oslo,city=Rome\n39,1,0\n", /header in line 1 has no column city/],
    ["39,Oslo\n40,oslo\n", /Line 2: city is “oslo”/], ["39,Oslo\n40,\n", /Line 2: city is “”/], ["39,Oslo\nRome,40\n", /Line 2: age is “Rome”/], ["39,Oslo,z\n", /last, “z”, is no label/],
  ]) {
    assert.throws(() => queries(text, city), said, text);
  }
  const many = hot([["a", "1", "07", "None", "True", "caf\u00e9"], ["b"], ["c", "no", "#5"]]);
  for (const [text, place] of [["1.0", 0], ["07", 1], ["None", 2], ["TRUE", 3], ["cafe\u0301", 4]]) {
    assert.deepEqual(queries(`${text},2.5,no\n`, many), [[...[0, 1, 2, 3, 4].map((i) => Number(i === place)), 2.5, 1, 0]], text);
  }
  for (const text of ["1.00", "7", "none", "yes", "Caf\u00e9", "NA"]) assert.throws(() => queries(`${text},2.5,no\n`, many), /a is “.*”, which is none of 1, 07, None, True, caf\u00e9\./, text);
  assert.throws(() => queries("j\n", hot([["a", ..."bcdefghik"]])), /none of b, c, d, e, f, g, h, i, … \(9\)\./);
  // points are asked about in numbers alone
  assert.deepEqual(queries("1.234;7\n", hot([["a", "1.234"], ["b"]])), [[1, 7]]);
  // one that begins with # is no remark
  const tag = hot([["tag", "#a", "b"], ["c", "no", "yes"]]);
  assert.deepEqual(queries("# by hand, twice\ntag,c\nb,no\n", tag), [[0, 1, 1, 0]]);
  for (const [text, line] of [["# tag,c\n#a,no\nb,yes\n", 2], ["tag,c\nb,no\n#a,yes\n", 3]]) {
    assert.throws(() => queries(text, tag), new RegExp(`Line ${line} starts with # like a comment`), text);
  }
  assert.deepEqual(queries('tag,c\n"#a",yes\n', tag), [[1, 0, 0, 1]]);
});

test("values follow exactly from losses", () => {
  // one owner brings 60; the second 30 only beside the first; the third nothing
  const loss = (mask) => 100n - (mask & 1 ? 60n : 0n) - ((mask & 3) === 3 ? 30n : 0n);
  const losses = new Map(Array.from({ length: 8 }, (_, mask) => [mask, loss(mask)]));
  assert.deepEqual(shapley(3, losses), [450n, 90n, 0n]);
  losses.delete(5);
  assert.equal(shapley(3, losses), undefined, "a coalition is missing");
  losses.set(1 << 7, 5n);
  assert.equal(shapley(3, losses), undefined, "and another is of somebody else");

  const file = () => JSON.parse(readFileSync(`${ROOT}/fuzz/corpus/valuation.json`, "utf8"));
  assert.equal(follows(file()), true);
  assert.equal(partsOf(file()).reduce((a, b) => a + b), 1);
  const two = { owners: ["0xa", "0xb"], values: [{ numerator: "1" }, { numerator: "2" }], certificate: { datasets: [["0xA", 1], ["0xB", 3], ["0xb", 1]].map(([owner, records]) => ({ records, shards: [{ owner: "0x0" }, { owner }] })) } };
  assert.deepEqual(weightsOf(two), [333333333333333333n, 500000000000000000n, 166666666666666667n], "the unit left goes to the largest remainder");
  assert.equal(weightsOf({ ...two, values: [{ numerator: "0" }, { numerator: "-2" }] }), undefined);
  const worse = file();
  worse.coalitions[0].loss += 1;
  assert.equal(follows(worse), false);
  const fewer = file();
  fewer.coalitions.shift();
  assert.equal(follows(fewer), false);
  assert.equal(follows({ ...file(), sampling: { beacon: "0x", permutations: 9 } }), undefined, "not recomputed here");
});

const word = (digit) => `0x${digit.repeat(64)}`;
const account = (digit) => `0x${digit.repeat(40)}`;

/** A chain that has a valuation's test set as the file says, and these owners, this draw, and other versions with what they list. */
function chainWith(file, { owners = {}, draw = { attempts: 0 }, others = [] } = {}) {
  const { test, certificate } = file;
  const filed = (id) => certificate.datasets.find((d) => d.dataset_id === id)?.shards.at(-1).owner ?? account("1");
  const event = (eventName, args, logIndex) => ({ eventName, args, blockNumber: 1n, logIndex });
  const answers = {
    dataset: () => ({ records: BigInt(test.records), root: test.dataset_id, circuitId: word("1") }),
    shardDigests: () => test.shards.map((s) => s.digest),
    datasetOwner: (id) => {
      if (owners[id] === null) throw new Error("the node is busy");
      return owners[id] ?? filed(id);
    },
    stateOf: () => ({ changes: 0 }),
    drawOf: (_, version) => (version === certificate.agent.version ? draw : others[version - 2].draw),
    versionCount: () => 1 + others.length,
  };
  return {
    client: { readContract: async ({ functionName, args }) => answers[functionName](...args) },
    weights: async () => ({}),
    events: async (_, name, args) => {
      if (name === "DatasetListed") return others[args.version - 2].lists.map((datasetId, i) => event(name, { datasetId }, i));
      if (name === "DatasetRegistered") return [event(name, { owner: test.shards[0].owner }, 0)];
      return name === "ShardRegistered" ? test.shards.map((s, i) => event(name, { digest: s.digest }, i + 1)) : [];
    },
  };
}

test("of a valuation, the chain is asked who owns what today, and what was drawn", async () => {
  const file = JSON.parse(readFileSync(`${ROOT}/fuzz/corpus/valuation.json`, "utf8"));
  const check = async (of, chain) => {
    const found = [];
    const holds = await checkValuation(chainWith(of, chain), of, word("0"), (finding) => found.push(finding));
    return { holds, said: found.map((f) => f.said).join("; "), unchecked: found.filter((f) => f.holds === undefined).length, failed: found.filter((f) => f.holds === false).map((f) => `${f.said}: ${f.why}`) };
  };
  const exact = await check(file);
  assert.deepEqual([exact.holds, exact.unchecked, exact.failed], [true, 1, []]);
  assert.ok(exact.said.includes("were not put to the chain"), exact.said);
  // sold since: the test set to an owner of data, or data to the test set's owner
  const [dataset, second] = file.certificate.datasets;
  for (const owners of [{ [file.test.dataset_id]: dataset.shards[0].owner }, { [dataset.dataset_id]: file.test.shards[0].owner }, { [file.test.dataset_id]: account("2"), [dataset.dataset_id]: account("2") }]) {
    const { holds, failed } = await check(file, { owners });
    assert.ok(!holds && failed.length === 1 && failed[0].startsWith("Nobody who owns the test set"), failed.join());
  }
  // two owners' data valued, and one owner's today, or the other way round
  const fails = (of, found) => assert.ok(!found.holds && found.failed.length === of, found.failed.join());
  const one = account("3");
  const bought = await check(file, { owners: { [dataset.dataset_id]: one, [second.dataset_id]: one } });
  fails(1, bought);
  assert.ok(bought.failed[0].startsWith("Datasets that are valued as one owner’s"), bought.failed.join());
  const merged = JSON.parse(JSON.stringify(file));
  merged.certificate.datasets[1].shards.at(-1).owner = dataset.shards.at(-1).owner;
  assert.ok(!(await check(merged)).failed.some((why) => why.startsWith("Datasets that are valued")));
  const parted = await check(merged, { owners: { [second.dataset_id]: one } });
  assert.ok(parted.failed.some((why) => why.startsWith("Datasets that are valued")), parted.failed.join());
  // both sold, each to another: still two owners
  assert.deepEqual((await check(file, { owners: { [dataset.dataset_id]: one, [second.dataset_id]: account("4") } })).failed, []);
  // an owner who cannot be read is not nobody
  for (const id of [file.test.dataset_id, second.dataset_id]) {
    const unread = await check(file, { owners: { [id]: null } });
    fails(1, unread);
    assert.ok(unread.failed[0].endsWith("has an owner on chain: the node is busy"), unread.failed.join());
  }
  // drawn: by the chain, or by whoever liked the result
  const sampled = { ...file, sampling: { beacon: word("b"), permutations: 100 } };
  const draw = { testSet: file.test.dataset_id, beacon: word("B"), permutations: 100, attempts: 1 };
  const honest = await check(sampled, { draw });
  assert.ok(honest.holds && honest.unchecked === 2 && honest.said.includes("this page does not"), honest.failed.join());
  for (const [other, failed] of [
    [{ attempts: 0 }, 2],
    [{ beacon: word("0") }, 1],
    [{ permutations: 200 }, 1],
    [{ testSet: word("c") }, 1],
  ]) {
    const found = await check(sampled, { draw: { ...draw, ...other } });
    assert.ok(!found.holds && found.failed.length === failed, `${JSON.stringify(other)}: ${found.failed.join()}`);
  }
  // nobody has fixed a beacon: what the contract holds then is not one that it drew
  const early = await check({ ...sampled, sampling: { beacon: word("0"), permutations: 100 } }, { draw: { ...draw, beacon: word("0") } });
  fails(1, early);
  assert.ok(early.failed[0].endsWith("it is not fixed yet"), early.failed.join());
  const again = await check(sampled, { draw: { ...draw, attempts: 3 } });
  assert.ok(again.holds && again.said.includes("2 earlier draws could be seen"), again.said);
  // other versions: of the same data in another order, of the same without a draw, of less
  const lists = [second.dataset_id, dataset.dataset_id];
  const others = [{ draw, lists }, { draw: { attempts: 0 }, lists }, { draw, lists: [dataset.dataset_id] }];
  const redrawn = await check(sampled, { draw, others });
  assert.ok(redrawn.holds && redrawn.said.includes("draws of their own (2), so this may be the best of 2"), redrawn.said);
});

test("a valuation is open without the server’s yes, because the chain was not asked for its losses", () => {
  assert.deepEqual([undefined, false, true].map((server) => verdict(true, true, server)), ["open", "open", "holds"]);
  assert.equal(verdict(true, false, undefined), "holds", "a certificate’s proofs are all put to the chain");
  assert.deepEqual([true, false].map((valuation) => verdict(false, valuation, true)), ["fails", "fails"]);
  assert.equal(verdict(undefined, true, true), "asking");
});

const request = {
  program: "0.1.0", chain_id: 31337, agent_registry: account("A"), owner: account("b"), agent: word("c"), version: 1, attempt: 0, purpose: "“grades”\n<b>", schema: "{}",
  k: 15, columns: 8, intercept_scale: 0, srs: word("d"), link: "softmax", lambda: 17592186044, price: "10", data_bps: 4000, rounds: 40, openings: 8,
  participants: ["e", "f"].map((d) => ({ account: account(d), node: "http://n", datasets: [{ dataset: word(d), shards: [{ digest: word(d), records: 7 }] }] })),
};

test("requests are read in their canonical form alone, and survive a link", () => {
  const json = canonical(request);
  assert.equal(canonical(readRequest(json)), json);
  assert.throws(() => readRequest('{"program":"0.1.0","template":"{}"}'), /schema's ranges/);
  assert.ok(json.includes(account("a")), "addresses are in lower case");
  assert.equal(unpacked(packed(json)), json);
  for (const other of [JSON.stringify(request), `${json} `, "{}", "no JSON", json.replace("softmax", "other")]) assert.throws(() => readRequest(other), /not a request/);
  assert.throws(() => unpacked("%%"), /damaged/);
});

test("a list's hash is folded over its datasets, as `Statements.listed` does", () => {
  const first = keccak256(concat([word("0"), word("1")]));
  assert.equal(listHash([word("1"), word("2")]), keccak256(concat([first, word("2")])));
  assert.equal(listHash([]), word("0"));
});

test("a schema's file is what the registry knows, without its spaces", () => {
  const bare = `{"name":"a b \\" c","n":[1,2.50]}`;
  const id = keccak256(toBytes(bare));
  assert.equal(bareSchema(`{\n  "name": "a b \\" c",\n  "n": [1, 2.50]\n}\n`, id), bare);
  assert.throws(() => bareSchema(`{"name":"other"}`, id), /not the schema/);
});

test("an address may be in small letters, in capitals, or with its checksum", () => {
  const address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
  const capitals = `0x${address.slice(2).toUpperCase()}`;
  for (const text of [address, address.toLowerCase(), capitals]) assert.equal(someAddress(text), address, text);
  for (const text of [address.replace("aA", "aa"), `${capitals}0`, capitals.slice(2), account("0"), ""]) assert.equal(someAddress(text), undefined, text);
});

test("only a node's URL becomes a link", () => {
  assert.equal(nodeEntry(""), undefined);
  const longest = `https://node.example/${"a".repeat(234)}`;
  for (const url of ["http://127.0.0.1:7410", "https://node.example:8443/", "http://[::1]:7410", "https://node.example/a@b", longest]) {
    assert.deepEqual(nodeEntry(url), { url, text: url });
  }
  for (const text of ["javascript:alert(1)", "ftp://node.example", "HTTPS://node.example", "https://", "https:///node.example", "https://node.example:70000", "https://me:secret@node.example", "https://@node.example", "https://node.example\\@evil.example", "https://node.example/a b", `${longest}a`]) {
    assert.deepEqual(nodeEntry(text), { text });
  }
  assert.deepEqual(nodeEntry("https://nod\u0435.example/\u202e\u001b\n"), { text: "https://nod\\u{435}.example/\\u{202e}\\u{1b}\\u{a}" });
});
