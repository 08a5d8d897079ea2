// Schemas: what a record has, and how a query's values become bytes. The same rules as `tribute-core`'s `schema`.
import { Problem } from "./problem";

export interface Feature {
  name: string;
  lo: number;
  hi: number;
}

export interface Categories {
  column: string;
  first: number;
  values: string[];
}

export interface Schema {
  name: string;
  features: Feature[];
  target: { classes: string[] } | { real: { lo: number; hi: number } };
  categories: Categories[];
}

/** Reads the parts of a schema that pages show. The server checks the rest. */
export function parseSchema(json: string): Schema {
  const read = JSON.parse(json) as Schema;
  if (!Array.isArray(read.features) || typeof read.target !== "object") {
    throw new Problem("This is not a schema: it has no features. `tribute schema infer` makes one, and so does this page.");
  }
  return { ...read, categories: read.categories ?? [] };
}

export const classes = (schema: Schema): string[] => ("classes" in schema.target ? schema.target.classes : []);

/** A column of a record: of one number, or of these categories, whose features are each 0 or 1. */
export interface Input {
  name: string;
  categories?: string[];
}

/** The columns that hold the features, in the schema's order. */
export function inputs(schema: Schema): Input[] {
  const starts = new Map(schema.categories.map((c) => [c.first, c]));
  const found: Input[] = [];
  for (let i = 0; i < schema.features.length; ) {
    const hot = starts.get(i);
    found.push(hot ? { name: hot.column, categories: hot.values } : { name: schema.features[i]!.name });
    i += hot?.values.length || 1;
  }
  return found;
}

/** Rounds ties to even, as the proofs do. */
function even(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** One byte per feature. `clamp` accepts values outside a feature's range. */
export function quantise(schema: Schema, values: number[], clamp: boolean): Uint8Array<ArrayBuffer> {
  if (values.length !== schema.features.length) {
    throw new Problem(`A query has ${schema.features.length} values; this one has ${values.length}.`, "BAD_QUERY");
  }
  return Uint8Array.from(values, (x, i) => {
    const { name, lo, hi } = schema.features[i]!;
    if (!Number.isFinite(x)) throw new Problem(`${name} must be a number.`, "BAD_QUERY");
    if ((x < lo || x > hi) && !clamp) {
      throw new Problem(`${name} is ${x}, outside ${lo} to ${hi}: check its unit, or allow values outside the range.`, "BAD_QUERY");
    }
    return Math.min(255, Math.max(0, even(((x - lo) * 255) / (hi - lo))));
  });
}
