// Bundles the store and the theme switch into what the server serves.
import { build } from "esbuild";

await build({
  entryPoints: ["src/main.ts", "src/theme.ts"],
  entryNames: "[name]",
  outdir: "../src/deskwire/web/static/dist",
  outExtension: {},
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  sourcemap: "external",
  legalComments: "eof",
  logLevel: "warning",
});
