// Queries as text: one a line, values separated by commas, semicolons, tabs or spaces. As strict as the reader of tables in `records`,
// which this page has no call for: what may be meant in two ways is refused.
import { holdsClasses, isLabelName } from "./labels";
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

const refused = (message: string): Problem => new Problem(message, "BAD_QUERY");

/** The rows of a text by RFC 4180, without empty lines and comments; without a separator, each is one cell. */
function cut(text: string, separator: string | undefined): Row[] {
  const rows: Row[] = [];
  let cells: string[] = [];
  let [cell, quote, comment, line, start] = ["", "", false, 1, 1];
  for (const c of `${text}\n`) {
    if (c === "\n") line += 1;
    if (comment) {
      if (c === "\n") [comment, start] = [false, line];
    } else if (quote === "open") {
      if (c === '"') quote = "closed";
      else cell += c;
    } else if (c === separator || c === "\n") {
      cells.push(cell.trim());
      [cell, quote] = ["", ""];
      if (c === separator) continue;
      if (cells.some((value) => value !== "")) rows.push({ line: start, cells });
      [cells, start] = [[], line];
    } else if (c === '"' && (quote === "closed" || cell.trim() === "")) {
      // a doubled quote belongs to the text
      [cell, quote] = [quote === "closed" ? `${cell}"` : "", "open"];
    } else if (quote === "closed") {
      if (c.trim() !== "") throw refused(`Line ${line}: text follows a closing quote.`);
    } else if (c === "#" && cells.length === 0 && cell === "") {
      comment = true;
    } else {
      cell += c;
    }
  }
  if (quote === "open") throw refused(`Line ${start}: a quote is opened and never closed.`);
  return rows;
}

/** The rows of a text whose separator is the one in its first line, or the one that this line names, as in `sep=;`. */
function rowsOf(text: string): { rows: Row[]; separator: string | undefined } {
  const whole = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const named = /^sep=(.*)/.exec(whole)?.[1];
  if (named !== undefined && !SEPARATORS.includes(named)) {
    throw refused(`The first line names the separator “${named}”: separate the values by commas, semicolons or tabs.`);
  }
  // its line break stays, so that lines are counted as in the file
  const plain = named === undefined ? whole : whole.slice(`sep=${named}`.length);
  const first = plain.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#")) ?? "";
  const separator = named ?? SEPARATORS.find((s) => first.trim().replace(/"[^"]*"/g, "").includes(s));
  const rows = cut(plain, separator);
  return { rows: separator ? rows : rows.map(({ line, cells }) => ({ line, cells: cells[0]!.split(/\s+/) })), separator };
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

/** Rows of numbers in the order of the schema's features. A header is recognised by its names. One column more than the features is a label, which is left out; below a header it must be called so, or hold the schema's classes. */
export function queries(text: string, schema: Schema): number[][] {
  const { rows, separator } = rowsOf(text);
  if (rows.length === 0) throw refused("There is no query in this text.");
  const names = schema.features.map((f) => f.name);
  const first = rows[0]!.cells;
  const header = isHeader(first, names, rows.length > 1);
  const places = names.map((name, i) => (header ? placesOf(name, first) : [i]));
  const order = places.map((at) => at[0] ?? -1);
  if (header) {
    const missing = names.find((_, i) => order.indexOf(order[i]!) < i || order[i] === -1);
    if (missing !== undefined) throw refused(`The header has no column ${missing}.`);
    const twice = names.find((_, i) => places[i]!.length > 1);
    if (twice !== undefined) throw refused(`The header names ${twice} twice.`);
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
  return asked.map(({ line, cells }) =>
    order.map((at, i) => {
      const value = Number(cells[at]);
      if (!NUMBER.test(cells[at]!) || !Number.isFinite(value)) throw refused(`Line ${line}: ${names[i]} is “${cells[at]}”, which is not a number.`);
      return value;
    }),
  );
}
