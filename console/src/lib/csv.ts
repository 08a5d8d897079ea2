// Queries as text: one a line, values separated by commas, semicolons, tabs or spaces. As strict as the reader of tables in `records`,
// which this page has no call for: what may be meant in two ways is refused.
import { categoryOf, holdsClasses, isGap, isLabel, isLabelName } from "./labels";
import { Problem } from "./problem";
import { inputs, type Input, type Schema } from "./schema";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
/** A number whose point may separate thousands. */
const GROUPED = /^[+-]?[1-9]\d{0,2}\.\d{3}$/;

const SEPARATORS = ["\t", ";", ","];
/** How many categories a refusal names. */
const SHOWN = 8;

interface Row {
  /** Line of the text, from 1. */
  line: number;
  cells: string[];
}

interface Comment {
  line: number;
  /** What follows the `#`. */
  text: string;
  /** Whether it is above the first row. */
  above: boolean;
}

const refused = (message: string): Problem => new Problem(message, "BAD_QUERY");

/** The first of some categories, and how many there are if not all are named. */
const listed = (all: string[]): string => all.slice(0, SHOWN).join(", ") + (all.length > SHOWN ? `, … (${all.length})` : "");

/** The rows of a text by RFC 4180, without empty lines, and its comments; without a separator, values are separated by blanks. */
function cut(text: string, separator: string | undefined): { rows: Row[]; comments: Comment[] } {
  const rows: Row[] = [];
  const comments: Comment[] = [];
  let cells: string[] = [];
  let comment: string | undefined;
  let [cell, quote, line, start] = ["", "", 1, 1];
  for (const c of `${text}\n`) {
    if (c === "\n") line += 1;
    if (comment !== undefined) {
      if (c !== "\n") {
        comment += c;
        continue;
      }
      comments.push({ line: start, text: comment.replace(/^#+/, ""), above: rows.length === 0 });
      [comment, start] = [undefined, line];
    } else if (quote === "open") {
      if (c === '"') quote = "closed";
      else cell += c;
    } else if (c === separator || c === "\n") {
      cells.push(cell.trim());
      [cell, quote] = ["", ""];
      if (c === separator) continue;
      if (cells.some((value) => value !== "")) rows.push({ line: start, cells: separator ? cells : cells[0]!.split(/\s+/) });
      [cells, start] = [[], line];
    } else if (c === '"' && (quote === "closed" || cell.trim() === "")) {
      // a doubled quote belongs to the text
      [cell, quote] = [quote === "closed" ? `${cell}"` : "", "open"];
    } else if (quote === "closed") {
      if (c.trim() !== "") throw refused(`Line ${line}: text follows a closing quote.`);
    } else if (c === "#" && cells.length === 0 && cell === "") {
      comment = "";
    } else {
      cell += c;
    }
  }
  if (quote === "open") throw refused(`Line ${start}: a quote is opened and never closed.`);
  return { rows, comments };
}

/** The rows and comments of a text whose separator is the one in its first line, or the one that this line names, as in `sep=;`. */
function tableOf(text: string): { rows: Row[]; comments: Comment[]; separator: string | undefined } {
  const whole = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const named = /^sep=(.*)/.exec(whole)?.[1];
  if (named !== undefined && !SEPARATORS.includes(named)) {
    throw refused(`The first line names the separator “${named}”: separate the values by commas, semicolons or tabs.`);
  }
  // its line break stays, so that lines are counted as in the file
  const plain = named === undefined ? whole : whole.slice(`sep=${named}`.length);
  const first = plain.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#")) ?? "";
  const separator = named ?? SEPARATORS.find((s) => first.trim().replace(/"[^"]*"/g, "").includes(s));
  return { ...cut(plain, separator), separator };
}

/** The values of a comment, if it is a row; none if its quotes are those of a remark. */
function valuesOf(text: string, separator: string | undefined): string[] {
  try {
    return cut(text, separator).rows[0]?.cells ?? [];
  } catch {
    return [];
  }
}

const folded = (name: string): string => name.trim().toLowerCase();

/** Positions of a name in a header: as it is written, otherwise in another case. */
function placesOf(name: string, header: string[]): number[] {
  const where = (same: (cell: string) => boolean): number[] => header.flatMap((cell, i) => (same(cell) ? [i] : []));
  const exact = where((cell) => cell === name);
  return exact.length > 0 ? exact : where((cell) => folded(cell) === folded(name));
}

/** Whether a text may be a value of a column. */
const isValue = (cell: string, { categories }: Input): boolean => (categories ? categoryOf(cell, categories) !== -1 : NUMBER.test(cell));

/** Whether a row may be a query by its fields' places: a value for every column, and maybe a label. */
const isQuery = (cells: string[], columns: Input[], schema: Schema): boolean =>
  [0, 1].includes(cells.length - columns.length) && cells.every((cell, i) => (i < columns.length ? isValue(cell, columns[i]!) : isLabel(cell, schema)));

/** Whether a row has the names of all columns: `unclear` if these may as well be values, and what is left over a label, or is a number. */
function named(cells: string[], columns: Input[], schema: Schema): "no" | "yes" | "unclear" {
  const taken = new Set<number>();
  let values = true;
  for (const column of columns) {
    const places = placesOf(column.name, cells);
    if (places.length === 0) return "no";
    values &&= places.every((place) => isValue(cells[place]!, column));
    places.forEach((place) => taken.add(place));
  }
  const left = cells.filter((_, place) => !taken.has(place));
  return values && left.length <= 1 && left.every((cell) => NUMBER.test(cell) || isLabel(cell, schema)) ? "unclear" : "yes";
}

/** Whether the first row's numbers may be names: they count from 0 or 1, as data frames' default names do, or ascend or are years and are all outside the values below. */
function mayCount([{ cells }, ...rows]: [Row, ...Row[]]): boolean {
  const texts = cells.map((cell) => cell.replace(/\.0$/, ""));
  if (rows.length === 0 || texts.length < 2 || !texts.every((text) => /^\d+$/.test(text))) return false;
  const names = texts.map(Number);
  const outside = names.every((name, i) => {
    const values = rows.map((row) => row.cells[i] ?? "").filter((cell) => NUMBER.test(cell)).map(Number);
    return values.every((value) => value < name) || values.every((value) => value > name);
  });
  if (names[0]! < 2 && names.every((name, i) => name === names[0]! + i)) return names.length >= 3 || outside;
  const years = names.every((name) => name >= 1800 && name < 2200) && new Set(names).size === names.length;
  return names.length >= 3 && outside && (years || names.every((name, i) => i === 0 || name > names[i - 1]!));
}

/** Whether the first row holds the schema's names. */
function isHeader(rows: [Row, ...Row[]], columns: Input[], schema: Schema): boolean {
  const first = rows[0].cells;
  const names = named(first, columns, schema);
  if (names === "yes") return true;
  const ordered = columns.every(({ name }, i) => first[i] === name) && !first.slice(columns.length).some((cell) => isLabel(cell, schema));
  if (names === "unclear" && ordered && first.length >= 4) return true;
  if (names === "unclear" || mayCount(rows)) {
    const label = names === "unclear" ? " and “label”, and add a label to each query, or an empty value" : "";
    throw refused(`The first line may hold names or values: begin with the schema's names${label}.`);
  }
  // a name that is a number, or a category, may be a value
  return !isQuery(first, columns, schema) && columns.some(({ name }) => !NUMBER.test(name) && placesOf(name, first).length > 0);
}

/** The comment above the first row that is the header: the last one with all the schema's names, or with none for a first column that numbers the rows, because that is called `#`; otherwise the last one that is not blank, if it has a word for every value. */
function commented(comments: Comment[], separator: string | undefined, columns: Input[], rows: [Row, ...Row[]], schema: Schema): Row | undefined {
  const first = rows[0].cells;
  const names = columns.map(({ name }) => name);
  const above = comments.filter((comment) => comment.above).reverse().map(({ line, text }) => ({ line, text, cells: valuesOf(text, separator) }));
  const hasNames = (cells: string[]): boolean => named(cells, columns, schema) === "yes";
  const words = (cells: string[]): boolean => cells.every((cell) => cell !== "" && !NUMBER.test(cell));
  const fits = (cells: string[]): boolean => cells.length === first.length;
  if (named(first, columns, schema) !== "no") return undefined;
  for (const { line, text, cells: [start, ...rest] } of above) {
    if (start === undefined) continue;
    const cells = [start || "#", ...rest];
    if (fits(cells) && (hasNames(cells) || (start === "" && words(rest) && NUMBER.test(first[0]!)))) return { line, cells };
    // the features in order, without the label: how the values are read anyway
    if (first.length === names.length + 1 && cells.length === names.length && cells.every((cell, i) => cell === names[i])) return undefined;
    const blanks = valuesOf(text, undefined);
    if (hasNames(cells) || SEPARATORS.some((other) => hasNames(valuesOf(text, other))) || (fits(blanks) && hasNames(blanks))) {
      throw refused(`Line ${line} names the columns in a comment, but not one for each of the ${first.length} values below, separated like them: write it so, or delete it.`);
    }
  }
  if (separator === undefined || isHeader(rows, columns, schema)) return undefined;
  const last = above.find(({ text }) => text.trim() !== "");
  return last && first.length > 1 && fits(last.cells) && words(last.cells) && new Set(last.cells).size === last.cells.length ? last : undefined;
}

/** Refuses a comment that may be a query, because it has as many values; words are a remark, unless it is below the header and rows begin with a text, which may begin with `#`. */
function refuseRows(comments: Comment[], separator: string | undefined, rows: Row[], header: Row | undefined): void {
  const width = rows[0]!.cells.length;
  const begins = rows.some((row) => row !== header && !NUMBER.test(row.cells[0]!) && !isGap(row.cells[0]!));
  for (const { line, text, above } of comments) {
    const cells = valuesOf(text, separator);
    const mayBegin = begins && line > (header?.line ?? 0);
    const words = (above || separator === undefined) && !mayBegin && !cells.some((cell) => NUMBER.test(cell));
    if (width > 1 && cells.length === width && !words) {
      throw refused(`Line ${line} starts with # like a comment, but has the values of a query: delete the line, or the #.`);
    }
  }
}

/** Rows of numbers in the order of the schema's features; of a column of categories, 1 for the one that a query has, and 0 for the others. A header is recognised by its names, also in a comment. One column more than the features is a label, which is left out; below a header it must be called so, or hold the schema's classes, otherwise each value must be one. */
export function queries(text: string, schema: Schema): number[][] {
  const { rows: [top, ...below], comments, separator } = tableOf(text);
  if (top === undefined) throw refused("There is no query in this text.");
  const rows: [Row, ...Row[]] = [top, ...below];
  const columns = inputs(schema);
  const names = columns.map(({ name }) => name);
  const comment = commented(comments, separator, columns, rows, schema);
  const header = comment !== undefined || isHeader(rows, columns, schema);
  refuseRows(comments.filter(({ line }) => line !== comment?.line), separator, rows, comment ?? (header ? top : undefined));
  if (comment) rows.unshift(comment);
  const first = rows[0].cells;
  const places = names.map((name, i) => (header ? placesOf(name, first) : [i]));
  const order = places.map((at) => at[0] ?? -1);
  if (header) {
    const missing = names.find((_, i) => order.indexOf(order[i]!) < i || order[i] === -1);
    if (missing !== undefined) throw refused(`The header in line ${rows[0]!.line} has no column ${missing}.`);
    const twice = names.find((_, i) => places[i]!.length > 1);
    if (twice !== undefined) throw refused(`The header in line ${rows[0]!.line} names ${twice} twice.`);
  }
  if (first.length < names.length || first.length > names.length + 1) {
    throw refused(`Line ${rows[0]!.line} has ${first.length} values; a query has ${names.length}, and maybe a label.`);
  }
  const asked = rows.slice(header ? 1 : 0);
  if (asked.length === 0) throw refused("There is no query below the header.");
  const ragged = asked.find(({ cells }) => cells.length !== first.length);
  if (ragged) throw refused(`Line ${ragged.line} has ${ragged.cells.length} values; the first line has ${first.length}.`);
  const extra = header ? first.findIndex((_, i) => !order.includes(i)) : -1;
  if (extra !== -1 && !isLabelName(first[extra]!) && !holdsClasses(asked.map(({ cells }) => cells[extra]!), schema)) {
    throw refused(`Column ${extra + 1} (“${first[extra]}”) is neither in the schema nor called like a label, and does not hold the schema's classes: leave it out, or call it “label” if it is one.`);
  }
  const numbers = order.filter((_, i) => !columns[i]!.categories);
  const points = asked.flatMap(({ cells }) => numbers.map((at) => cells[at]!)).filter((cell) => NUMBER.test(cell) && cell.includes("."));
  if ((separator === ";" || separator === "\t") && points.length > 0 && points.every((cell) => GROUPED.test(cell))) {
    throw refused(`${points[0]} may be a number with thousands separated: separate the values by commas if it has decimals, or write it without the point.`);
  }
  const last = header || first.length === names.length ? undefined : names.length;
  return asked.map(({ line, cells }) => {
    const values = order.flatMap((at, i) => {
      const { categories } = columns[i]!;
      if (categories) {
        const found = categoryOf(cells[at]!, categories);
        if (found === -1) throw refused(`Line ${line}: ${names[i]} is “${cells[at]}”, which is none of ${listed(categories)}.`);
        return categories.map((_, j) => Number(j === found));
      }
      const value = Number(cells[at]);
      if (!NUMBER.test(cells[at]!) || !Number.isFinite(value)) throw refused(`Line ${line}: ${names[i]} is “${cells[at]}”, which is not a number.`);
      return value;
    });
    if (last !== undefined && !isLabel(cells[last]!, schema)) {
      throw refused(`Line ${line} has one value too many: the last, “${cells[last]}”, is no label of the schema. Leave it out, or put the schema's names above the queries.`);
    }
    return values;
  });
}
