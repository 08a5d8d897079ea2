// Queries as text: one a line, values separated by commas, semicolons, tabs or spaces.
import { Problem } from "./problem";
import type { Schema } from "./schema";

/** Rows of numbers in the order of the schema's features. A header is recognised by its names; a last column more than the features is a label, which is left out. */
export function queries(text: string, schema: Schema): number[][] {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length === 0) throw new Problem("There is no query in this text.", "BAD_QUERY");
  const separator = [",", ";", "\t"].find((s) => lines[0]!.includes(s)) ?? /\s+/;
  const cells = lines.map((line) => line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  const names = schema.features.map((f) => f.name);
  const header = cells[0]!.some((cell) => names.includes(cell));
  const order = header ? names.map((name) => cells[0]!.indexOf(name)) : names.map((_, i) => i);
  const missing = order.findIndex((at) => at < 0);
  if (missing >= 0) throw new Problem(`The header has no column ${names[missing]}.`, "BAD_QUERY");
  return cells.slice(header ? 1 : 0).map((row, n) => {
    if (row.length < names.length || (!header && row.length > names.length + 1)) {
      throw new Problem(`Line ${n + 1 + Number(header)} has ${row.length} values; a query has ${names.length}.`, "BAD_QUERY");
    }
    return order.map((at, i) => {
      const value = Number(row[at]);
      if (row[at] === "" || !Number.isFinite(value)) {
        throw new Problem(`Line ${n + 1 + Number(header)}: ${names[i]} is “${row[at]}”, which is not a number.`, "BAD_QUERY");
      }
      return value;
    });
  });
}
