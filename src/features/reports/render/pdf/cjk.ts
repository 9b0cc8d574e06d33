import type { Color, PDFDocument, PDFPage } from "@cantoo/pdf-lib";
import type { PdfLibrary } from "./library.ts";

export interface NamedFont {
  write(
    page: PDFPage,
    text: string,
    at: { x: number; y: number; size: number; color: Color },
  ): void;
}

/** Adobe's fonts, character collections and encodings (ISO 32000-1, table 118). */
const FONTS = {
  song: { name: "STSong-Light", ordering: "GB1", supplement: 4, encoding: "UniGB-UTF16-H" },
  myeongjo: {
    name: "HYSMyeongJo-Medium",
    ordering: "Korea1",
    supplement: 1,
    encoding: "UniKS-UTF16-H",
  },
} as const;
export type NamedFontKey = keyof typeof FONTS;

/** Jamo and hangul syllables, those in circles and of half a width too. */
const HANGUL =
  /[\u1100-\u11ff\u3130-\u318f\u3200-\u321e\u3260-\u327f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc]/;
/** Ideographs, kana and their punctuation. */
const SQUARES = /[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]/;

/** The named font that has a character, if any; in all of them it is a full square. */
export function namedFontOf(char: string): NamedFontKey | undefined {
  return HANGUL.test(char) ? "myeongjo" : SQUARES.test(char) ? "song" : undefined;
}

/**
 * A CJK font that is named but not embedded: it has tens of thousands of glyphs, and every reader
 * has one for the name and its predefined encoding (ISO 32000-1, 9.7.5.2). A document that does not
 * use it does not contain it.
 */
export function nameCjkFont(pdf: PdfLibrary, document: PDFDocument, of: NamedFontKey): NamedFont {
  const { name, ordering, supplement, encoding } = FONTS[of];
  const { PDFHexString, PDFName, PDFString } = pdf;
  const { context } = document;
  let font: ReturnType<typeof context.register> | undefined;
  const reference = () => {
    const descriptor = context.register(
      context.obj({
        Type: "FontDescriptor",
        FontName: name,
        Flags: 6,
        FontBBox: [-25, -254, 1000, 880],
        ItalicAngle: 0,
        Ascent: 880,
        Descent: -120,
        CapHeight: 880,
        StemV: 93,
      }),
    );
    const system = context.obj({
      Registry: PDFString.of("Adobe"),
      Ordering: PDFString.of(ordering),
      Supplement: supplement,
    });
    const descendant = context.register(
      context.obj({
        Type: "Font",
        Subtype: "CIDFontType0",
        BaseFont: name,
        CIDSystemInfo: system,
        FontDescriptor: descriptor,
        DW: 1000,
      }),
    );
    return context.register(
      context.obj({
        Type: "Font",
        Subtype: "Type0",
        BaseFont: name,
        Encoding: encoding,
        DescendantFonts: [descendant],
      }),
    );
  };
  return {
    write(page, text, { x, y, size, color }) {
      font ??= reference();
      const key = PDFName.of(of);
      page.node.setFontDictionary(key, font);
      const hex = [...text]
        .flatMap((char) =>
          [...char].map((unit) => (unit.codePointAt(0) ?? 0).toString(16).padStart(4, "0")),
        )
        .join("");
      page.pushOperators(
        pdf.pushGraphicsState(),
        pdf.beginText(),
        pdf.setFillingColor(color),
        pdf.setFontAndSize(key, size),
        pdf.setTextMatrix(1, 0, 0, 1, x, y),
        pdf.showText(PDFHexString.of(hex)),
        pdf.endText(),
        pdf.popGraphicsState(),
      );
    },
  };
}
