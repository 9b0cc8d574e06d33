import type { Color, PDFDocument, PDFFont, PDFPage } from "@cantoo/pdf-lib";
import { lettersOf } from "../../../../lib/text.ts";
import { type NamedFont, type NamedFontKey, nameCjkFont, namedFontOf } from "./cjk.ts";
import type { PdfLibrary } from "./library.ts";

/** A4 in points, from the top left. */
const [WIDTH, HEIGHT] = [595.28, 841.89];
export const PAGE_MARGIN = 48;
export const CONTENT_WIDTH = WIDTH - 2 * PAGE_MARGIN;
const FOOTER = 24;
/** The sign for a character that no font has. */
const UNKNOWN = "\u25a1";
const colorOf = ({ rgb }: PdfLibrary, hex: string): Color => {
  const part = (from: number) => Number.parseInt(hex.slice(from, from + 2), 16) / 255;
  return rgb(part(1), part(3), part(5));
};

interface Run {
  text: string;
  /** A font that is not embedded; the embedded one without. */
  named: NamedFontKey | undefined;
}

/** Pages that are written from top to bottom. */
export class PdfSheet {
  readonly pdf: PdfLibrary;
  readonly document: PDFDocument;
  readonly #font: PDFFont;
  readonly #known: ReadonlySet<number>;
  readonly #named: Record<NamedFontKey, NamedFont>;
  page: PDFPage;
  /** Where the next thing begins, from the top of the page. */
  y = PAGE_MARGIN;

  private constructor(pdf: PdfLibrary, document: PDFDocument, font: PDFFont) {
    this.pdf = pdf;
    this.document = document;
    this.#font = font;
    this.#known = new Set(font.getCharacterSet());
    this.#named = {
      song: nameCjkFont(pdf, document, "song"),
      myeongjo: nameCjkFont(pdf, document, "myeongjo"),
    };
    this.page = document.addPage([WIDTH, HEIGHT]);
  }

  /** @param font a TrueType font; only the glyphs that are used are embedded */
  static async begin(font: ArrayBuffer): Promise<PdfSheet> {
    const [pdf, { default: fontkit }] = await Promise.all([
      import("@cantoo/pdf-lib"),
      import("@cantoo/fontkit"),
    ]);
    const document = await pdf.PDFDocument.create();
    document.registerFontkit(fontkit);
    return new PdfSheet(pdf, document, await document.embedFont(font, { subset: true }));
  }

  /**
   * Begins a new page if the current one has less than `height` left.
   * @returns whether a page was begun
   */
  need(height: number): boolean {
    if (this.y + height <= HEIGHT - PAGE_MARGIN - FOOTER) return false;
    this.page = this.document.addPage([WIDTH, HEIGHT]);
    this.y = PAGE_MARGIN;
    return true;
  }

  #runsOf(text: string): Run[] {
    const runs: Run[] = [];
    for (const char of text.normalize("NFC")) {
      const known = this.#known.has(char.codePointAt(0) ?? 0);
      const named = known ? undefined : namedFontOf(char);
      const shown = known || named ? char : UNKNOWN;
      const last = runs.at(-1);
      if (last && last.named === named) last.text += shown;
      else runs.push({ text: shown, named });
    }
    return runs;
  }

  widthOf(text: string, size: number): number {
    return this.#runsOf(text).reduce(
      (sum, run) =>
        sum +
        (run.named ? [...run.text].length * size : this.#font.widthOfTextAtSize(run.text, size)),
      0,
    );
  }

  /** A text cut to a width. */
  fitted(text: string, width: number, size: number): string {
    if (this.widthOf(text, size) <= width) return text;
    const letters = lettersOf(text);
    let [low, high] = [0, letters.length];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.widthOf(`${letters.slice(0, middle).join("")}…`, size) <= width) low = middle;
      else high = middle - 1;
    }
    return `${letters.slice(0, low).join("")}…`;
  }

  /** Lines of a width; a word that is longer than a line is broken. */
  linesOf(text: string, width: number, size: number): string[] {
    const lines: string[] = [];
    for (const paragraph of text.split("\n")) {
      let line = "";
      for (const word of paragraph.split(/\s+/)) {
        const longer = line === "" ? word : `${line} ${word}`;
        if (this.widthOf(longer, size) <= width) {
          line = longer;
          continue;
        }
        if (line !== "") lines.push(line);
        line = "";
        for (const char of lettersOf(word)) {
          if (this.widthOf(line + char, size) > width) {
            lines.push(line);
            line = "";
          }
          line += char;
        }
      }
      lines.push(line);
    }
    return lines;
  }

  /** A text with its baseline at `y` from the top. */
  write(text: string, x: number, y: number, size: number, color: string): void {
    let left = x;
    for (const run of this.#runsOf(text)) {
      const at = { x: left, y: HEIGHT - y, size, color: colorOf(this.pdf, color) };
      if (run.named) this.#named[run.named].write(this.page, run.text, at);
      else this.page.drawText(run.text, { ...at, font: this.#font });
      left += this.widthOf(run.text, size);
    }
  }

  /** Wrapped text at the current place. */
  paragraph(text: string, size: number, color: string): void {
    for (const line of this.linesOf(text, CONTENT_WIDTH, size)) {
      this.need(size * 1.4);
      this.write(line, PAGE_MARGIN, this.y + size, size, color);
      this.y += size * 1.4;
    }
  }

  rect(
    x: number,
    y: number,
    width: number,
    height: number,
    fill: string | null,
    border: string | null = null,
  ): void {
    this.page.drawRectangle({
      x,
      y: HEIGHT - y - height,
      width,
      height,
      ...(fill ? { color: colorOf(this.pdf, fill) } : {}),
      ...(border ? { borderColor: colorOf(this.pdf, border), borderWidth: 0.5 } : {}),
    });
  }

  line(x1: number, y1: number, x2: number, y2: number, color: string, width: number): void {
    this.page.drawLine({
      start: { x: x1, y: HEIGHT - y1 },
      end: { x: x2, y: HEIGHT - y2 },
      color: colorOf(this.pdf, color),
      thickness: width,
    });
  }

  /** A polygon, filled and without a border. */
  polygon(points: readonly (readonly [number, number])[], fill: string, opacity: number): void {
    const path = points.map(([x, y], index) => `${index === 0 ? "M" : "L"} ${x} ${y}`).join(" ");
    // The library's paths, as SVG's, go down from their origin.
    this.page.drawSvgPath(`${path} Z`, {
      x: 0,
      y: HEIGHT,
      color: colorOf(this.pdf, fill),
      opacity,
    });
  }

  /** Page numbers, once all pages are there. */
  number(title: string): void {
    const pages = this.document.getPages();
    for (const [index, page] of pages.entries()) {
      this.page = page;
      const text = `${index + 1} / ${pages.length}`;
      this.write(
        this.fitted(title, CONTENT_WIDTH - 80, 8),
        PAGE_MARGIN,
        HEIGHT - PAGE_MARGIN + 8,
        8,
        "#666666",
      );
      this.write(
        text,
        WIDTH - PAGE_MARGIN - this.widthOf(text, 8),
        HEIGHT - PAGE_MARGIN + 8,
        8,
        "#666666",
      );
    }
  }
}
