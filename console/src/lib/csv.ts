// Queries as text: one a line, values separated by commas, semicolons, tabs or spaces. As strict as the reader of tables in `records`,
// which this page has no call for: what may be meant in two ways is refused.
import { holdsClasses, isLabel, isLabelName } from "./labels";
import { Problem } from "./problem";
import type { Schema } from "./schema";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
/** A number whose point may separate thousands. */
const GROUPED = /^[+-]?[1-9]\d{0,2}\.\d{3}$/;

const SEPARATORS = ["\t", ";", ","];

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

/** Whether the first row holds the schema's names. */
function isHeader(first: string[], names: string[], more: boolean): boolean {
  const numbers = first.every((cell) => NUMBER.test(cell));
  if (!numbers) return names.some((name) => placesOf(name, first).length > 0);
  const all = names.every((name) => first.includes(name));
  if (all && first.length >= 4 && names.every((name, i) => first[i] === name)) return true;
  const counts = first.length >= 3 && ["0", "1"].includes(first[0]!) && first.every((cell, i) => Number(cell) === Number(first[0]) + i);
  if (all || (counts && more)) {
    throw refused("The first line may hold names or values: put the schema's names above the queries, or leave the line out.");
  }
  return false;
}

/** The comment above the first row that is the header: the last one with all the schema's names, or with none for a first column that numbers the rows, because that is called `#`; otherwise the last one that is not blank, if it has a word for every value. */
function commented(comments: Comment[], separator: string | undefined, names: string[], rows: Row[]): Row | undefined {
  const first = rows[0]!.cells;
  const above = comments.filter((comment) => comment.above).reverse().map(({ line, text }) => ({ line, text, cells: valuesOf(text, separator) }));
  // names that are numbers may be a query
  const named = (cells: string[]): boolean => !cells.every((cell) => NUMBER.test(cell)) && names.every((name) => placesOf(name, cells).length > 0);
  const words = (cells: string[]): boolean => cells.every((cell) => cell !== "" && !NUMBER.test(cell));
  const fits = (cells: string[]): boolean => cells.length === first.length;
  if (named(first)) return undefined;
  for (const { line, text, cells: [start, ...rest] } of above) {
    if (start === undefined) continue;
    const cells = [start || "#", ...rest];
    if (fits(cells) && (named(cells) || (start === "" && words(rest) && NUMBER.test(first[0]!)))) return { line, cells };
    // the features in order, without the label: how the values are read anyway
    if (first.length === names.length + 1 && cells.length === names.length && cells.every((cell, i) => cell === names[i])) return undefined;
    const blanks = valuesOf(text, undefined);
    if (named(cells) || SEPARATORS.some((other) => named(valuesOf(text, other))) || (fits(blanks) && named(blanks))) {
      throw refused(`Line ${line} names the columns in a comment, but not one for each of the ${first.length} values below, separated like them: write it so, or delete it.`);
    }
  }
  if (separator === undefined || isHeader(first, names, rows.length > 1)) return undefined;
  const last = above.find(({ text }) => text.trim() !== "");
  return last && first.length > 1 && fits(last.cells) && words(last.cells) && new Set(last.cells).size === last.cells.length ? last : undefined;
}

/** Refuses a comment that may be a query, because it has as many values; words are a remark. */
function refuseRows(comments: Comment[], separator: string | undefined, width: number): void {
  for (const { line, text, above } of comments) {
    const cells = valuesOf(text, separator);
    const words = (above || separator === undefined) && !cells.some((cell) => NUMBER.test(cell));
    if (width > 1 && cells.length === width && !words) {
      throw refused(`Line ${line} starts with # like a comment, but has the values of a query: delete the line, or the #.`);
    }
  }
}

/** Rows of numbers in the order of the schema's features. A header is recognised by its names, also in a comment. One column more than the features is a label, which is left out; below a header it must be called so, or hold the schema's classes, otherwise each value must be one. */
export function queries(text: string, schema: Schema): number[][] {
  const { rows, comments, separator } = tableOf(text);
  if (rows.length === 0) throw refused("There is no query in this text.");
  const names = schema.features.map((f) => f.name);
  const comment = commented(comments, separator, names, rows);
  const header = comment !== undefined || isHeader(rows[0]!.cells, names, rows.length > 1);
  refuseRows(comments.filter(({ line }) => line !== comment?.line), separator, rows[0]!.cells.length);
  if (comment) rows.unshift(comment);
  const first = rows[0]!.cells;
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
  const points = asked.flatMap(({ cells }) => order.map((at) => cells[at]!)).filter((cell) => NUMBER.test(cell) && cell.includes("."));
  if ((separator === ";" || separator === "\t") && points.length > 0 && points.every((cell) => GROUPED.test(cell))) {
    throw refused(`${points[0]} may be a number with thousands separated: separate the values by commas if it has decimals, or write it without the point.`);
  }
  const last = header || first.length === names.length ? undefined : names.length;
  return asked.map(({ line, cells }) => {
    const values = order.map((at, i) => {
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
