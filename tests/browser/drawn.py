"""Labels of drawn figures: where every SVG text lies, which ones lie over another, and which are cut off."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

FAULTS = """
() => {
  const SLACK = 1.5;
  const corners = (text) => {
    const box = text.getBBox(), at = text.getScreenCTM();
    return [[0, 0], [1, 0], [1, 1], [0, 1]].map(([i, j]) => {
      const p = new DOMPoint(box.x + i * box.width, box.y + j * box.height).matrixTransform(at);
      return [p.x, p.y];
    });
  };
  const shown = (text) => {
    if (!text.textContent.trim() || text.closest("defs, .hoverlayer, .modebar, .js-plotly-tester, button, a"))
      return false;
    const box = text.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && text.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  };
  // ink of a line is lower than its box: accents and tails of letters may touch the next line's box
  const shrunk = (points) => {
    const [x, y] = [0, 1].map((i) => points.reduce((sum, p) => sum + p[i], 0) / 4);
    const size = Math.min(Math.hypot(points[0][0] - points[3][0], points[0][1] - points[3][1]), 30);
    const keep = (p) => {
      const along = [points[1][0] - points[0][0], points[1][1] - points[0][1]];
      const length = Math.hypot(...along) || 1, unit = along.map((v) => v / length);
      const d = [p[0] - x, p[1] - y], a = d[0] * unit[0] + d[1] * unit[1], b = -d[0] * unit[1] + d[1] * unit[0];
      const less = (v, by) => Math.sign(v) * Math.max(Math.abs(v) - by, 0);
      const f = less(a, SLACK), g = less(b, 0.15 * size);
      return [x + f * unit[0] - g * unit[1], y + f * unit[1] + g * unit[0]];
    };
    return points.map(keep);
  };
  const apart = (a, b) => {
    for (const [one, other] of [[a, b], [b, a]])
      for (let i = 0; i < 4; i++) {
        const edge = [one[(i + 1) % 4][0] - one[i][0], one[(i + 1) % 4][1] - one[i][1]], normal = [-edge[1], edge[0]];
        const on = (points) => points.map((p) => p[0] * normal[0] + p[1] * normal[1]);
        const [m, n] = [on(one), on(other)];
        if (Math.max(...m) <= Math.min(...n) || Math.max(...n) <= Math.min(...m)) return true;
      }
    return false;
  };
  const faults = [];
  const figures = [...document.querySelectorAll(".js-plotly-plot, svg")].filter(
    (e) => !e.parentElement.closest(".js-plotly-plot, svg") && e.querySelector("text"));
  let labels = 0;
  for (const figure of figures) {
    const frame = figure.getBoundingClientRect();
    if (!frame.width || !figure.checkVisibility()) continue;
    const name = figure.closest("[class*=st-key-]")?.className.match(/st-key-[\\w-]+/)?.[0] ?? figure.id ?? "svg";
    const lines = [...figure.querySelectorAll("text")].filter(shown).map((text) => [text.textContent, corners(text)]);
    labels += lines.length;
    const right = Math.min(frame.right, document.documentElement.clientWidth);
    for (const [words, points] of lines) {
      const [xs, ys] = [0, 1].map((i) => points.map((p) => p[i]));
      const out = [frame.left - Math.min(...xs), Math.max(...xs) - right, frame.top - Math.min(...ys),
                   Math.max(...ys) - frame.bottom];
      const most = Math.max(...out), side = ["left", "right", "above", "below"][out.indexOf(most)];
      if (most > SLACK + 0.5) faults.push(`${name}: “${words.slice(0, 60)}” is cut ${side} by ${most.toFixed(0)}`);
    }
    const inks = lines.map(([words, points]) => [words, shrunk(points)]);
    for (let i = 0; i < inks.length; i++)
      for (let j = i + 1; j < inks.length; j++)
        if (!apart(inks[i][1], inks[j][1]))
          faults.push(`${name}: “${inks[i][0].slice(0, 50)}” over “${inks[j][0].slice(0, 50)}”`);
  }
  return [labels, [...new Set(faults)]];
}
"""


def faults(page: "Page") -> tuple[int, list[str]]:
    """Number of labels on the page and in its frames, and every one that is cut off or lies over another."""
    found = [frame.evaluate(FAULTS) for frame in page.frames if not frame.is_detached()]
    return sum(count for count, _ in found), [line for _, lines in found for line in lines]


def rest(page: "Page") -> None:
    """Wait until nothing runs and no label comes or goes any more."""
    count = "() => document.querySelectorAll('.js-plotly-plot svg text').length"
    before, calm = -1, 0
    while calm < 3:
        page.wait_for_timeout(150)
        now = page.evaluate(count)
        idle = page.locator("[data-testid=stStatusWidget]").count() == 0
        before, calm = now, calm + 1 if idle and now == before else 0
