// Which column holds the labels, and which texts are one category: the rules of the reader of tables in `records`.
import { classes, type Schema } from "./schema";

/** Names of the column to predict. */
const LABEL_NAMES = ["label", "labels", "target", "targets", "class", "classes", "y", "outcome", "category", "response", "classlabel"];

/** Spellings of a missing value, in lower case. */
const GAPS = [
  "", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "-nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind",
  "nat", "null", "none", "nil", "?", "n.a.", "n.a", "n/a.", "n.d.", "(null)", "\\n", "#nv", "#n/d", "#n/b", "#null!",
  "#value!", "#div/0!", "#ref!", "#num!", "#name?", "missing", "-", "--", "\u2013", "\u2014", ".", "..",
];
/** A spreadsheet's error in some language. */
const SHEET_ERROR = /^#[\p{Uppercase}/0\u00a1\u00bf]{3,12}[!?]$/u;
/** A number with either decimal mark. */
const NUMERIC = /^[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?$/;
/** A whole number as programs write it; other spellings may be codes. */
const PLAIN = /^-?(0|[1-9]\d*)(\.0)?$/;
const TRUTH = /^(true|false)$/i;

/** Whether a column's name says that it holds the labels. */
export const isLabelName = (name: string): boolean => LABEL_NAMES.includes(name.replace(/[ _-]/g, "").trim().toLowerCase());

export const isGap = (text: string): boolean => GAPS.includes(text.toLowerCase()) || SHEET_ERROR.test(text);

/** What is equal for texts that look the same: letters in one form, and plain blanks. */
const composed = (text: string): string => text.normalize("NFC").replace(/\s/g, " ");

/** A number's value, whatever its spelling; NaN for a text. The reader tells some spellings apart as codes; here a label is only left out. */
const value = (text: string): number => (NUMERIC.test(text) ? Number(text.replace(",", ".")) : NaN);

/** Whether a text is one of these classes: a number by its value, true and false in any case. */
const isClass = (text: string, known: string[]): boolean =>
  known.some((label) => composed(label) === composed(text) || value(label) === value(text) || (TRUTH.test(text) && label.toLowerCase() === text.toLowerCase()));

/** Which of these categories a text is, -1 if none: `1` and `1.0` are one, as are true and false in any case; otherwise the only one that looks the same. */
export function categoryOf(text: string, known: string[]): number {
  const plain = (t: string): boolean => PLAIN.test(t) && Number.isSafeInteger(Number(t));
  const same = (t: string): boolean =>
    t === text || (plain(t) && plain(text) && Number(t) === Number(text)) || (TRUTH.test(t) && t.toLowerCase() === text.toLowerCase());
  // what means a missing value is a category only as it is written
  if (isGap(text)) return known.includes(text) ? known.findIndex(same) : -1;
  const exact = known.findIndex(same);
  const alike = known.flatMap((t, i) => (composed(t) === composed(text) ? [i] : []));
  return exact === -1 && alike.length === 1 ? alike[0]! : exact;
}

/** Whether a value may be a record's label: a class, or a number where one is predicted, or missing. */
export const isLabel = (text: string, schema: Schema): boolean =>
  isGap(text) || ("real" in schema.target ? NUMERIC.test(text) : isClass(text, classes(schema)));

/** Whether a column's values show that it holds the labels: all that are not missing are classes of the schema, in any case if they are true or false, and no class is a number, which a feature's values may be as well. */
export function holdsClasses(values: string[], schema: Schema): boolean {
  const known = classes(schema);
  if (known.some((label) => NUMERIC.test(label))) return false;
  const labels = values.filter((text) => known.includes(text) || !isGap(text));
  return labels.length > 0 && labels.every((text) => isClass(text, known));
}
