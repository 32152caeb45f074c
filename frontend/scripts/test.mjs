// Bundle the tests and what browser tests load into pages, and run them; `--build` only bundles.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const out = "build/test";
rmSync(out, { recursive: true, force: true });
const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
await build({
  entryPoints: tests.map((name) => `test/${name}`),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "warning",
});
await build({
  entryPoints: ["test/browser/page_functions.ts"],
  outfile: "build/browser/page_functions.js",
  bundle: true,
  format: "iife",
  target: "es2022",
  logLevel: "warning",
});
if (process.argv.includes("--build")) process.exit(0);
const files = tests.map((name) => `${out}/${name.replace(/\.ts$/, ".mjs")}`);
const run = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
process.exit(run.status ?? 1);
