import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Compressed bytes that all files of the bundle may have together. */
const BUDGET = 350 * 1024;

/** Packs every file beside itself, as the program serves it, and holds the budget. */
function pack(): Plugin {
  return {
    name: "pack",
    apply: "build",
    writeBundle({ dir = "dist" }) {
      let total = 0;
      const walk = (folder: string): void => {
        for (const name of readdirSync(folder)) {
          const path = join(folder, name);
          if (statSync(path).isDirectory()) walk(path);
          else if (!name.endsWith(".gz")) {
            const packed = gzipSync(readFileSync(path), { level: 9 });
            writeFileSync(`${path}.gz`, packed);
            total += packed.length;
          }
        }
      };
      walk(dir);
      console.log(`console: ${(total / 1024).toFixed(0)} kB compressed, of ${BUDGET / 1024} kB`);
      if (total > BUDGET) this.error(`the bundle has ${total} bytes compressed, more than ${BUDGET}`);
    },
  };
}

export default defineConfig({
  plugins: [react(), pack()],
  build: { target: "es2022", modulePreload: { polyfill: false }, assetsInlineLimit: 0, reportCompressedSize: false },
});
