import { defineConfig } from "vite";

export default defineConfig({
  // Relative, because only the gateway knows under which path it serves the page: it makes the names absolute.
  base: "./",
  build: {
    target: "es2022",
    // The page's policy allows no inline script, and every browser we aim at preloads modules itself.
    modulePreload: { polyfill: false },
    // A file that can be cached by its hash beats a data: URL repeated in every page.
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
});
