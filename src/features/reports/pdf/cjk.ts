import type { Color, PDFDocument, PDFPage } from "@cantoo/pdf-lib";
import type { Pdf } from "./sheet.ts";

export interface NamedFont {
  write(page: PDFPage, text: string, at: { x: number; y: number; size: number; color: Color }): void;
}

const NAME = "STSong-Light";

/**
 * A font for ideographs that is named and not embedded: one has tens of thousands of glyphs, and every reader brings one for this
 * name and its predefined encoding (ISO 32000-1, 9.7.5.2). Nothing of it is in a document that does not use it.
 */
export function nameCjkFont(pdf: Pdf, document: PDFDocument): NamedFont {
  const { PDFHexString, PDFName, PDFString } = pdf;
  const { context } = document;
  let font: ReturnType<typeof context.register> | undefined;
  const reference = () => {
    const descriptor = context.register(
      context.obj({
        Type: "FontDescriptor",
        FontName: NAME,
        Flags: 6,
        FontBBox: [-25, -254, 1000, 880],
        ItalicAngle: 0,
        Ascent: 880,
        Descent: -120,
        CapHeight: 880,
        StemV: 93,
      }),
    );
    const system = context.obj({ Registry: PDFString.of("Adobe"), Ordering: PDFString.of("GB1"), Supplement: 4 });
    const descendant = context.register(
      context.obj({ Type: "Font", Subtype: "CIDFontType0", BaseFont: NAME, CIDSystemInfo: system, FontDescriptor: descriptor, DW: 1000 }),
    );
    return context.register(
      context.obj({ Type: "Font", Subtype: "Type0", BaseFont: NAME, Encoding: "UniGB-UTF16-H", DescendantFonts: [descendant] }),
    );
  };
  return {
    write(page, text, { x, y, size, color }) {
      font ??= reference();
      const key = PDFName.of("CJK");
      page.node.setFontDictionary(key, font);
      const hex = [...text].flatMap((char) => [...char].map((unit) => (unit.codePointAt(0) ?? 0).toString(16).padStart(4, "0"))).join("");
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
