import type { PDFDocument, PDFPage } from "@cantoo/pdf-lib";
import type { PdfLibrary } from "./library.ts";

export interface OutlineEntry {
  title: string;
  page: PDFPage;
  /** From the bottom of the page, in points. */
  y: number;
}

/** The outline of a document: one flat list that leads to its sections (ISO 32000-1, 12.3.3). */
export function addOutline(
  { PDFHexString, PDFName, PDFNull, PDFNumber }: PdfLibrary,
  document: PDFDocument,
  entries: readonly OutlineEntry[],
): void {
  if (entries.length === 0) return;
  const { context, catalog } = document;
  const root = context.nextRef();
  const refs = entries.map(() => context.nextRef());
  entries.forEach(({ title, page, y }, index) => {
    const [previous, next] = [refs[index - 1], refs[index + 1]];
    const item = context.obj({
      Title: PDFHexString.fromText(title),
      Parent: root,
      ...(previous ? { Prev: previous } : {}),
      ...(next ? { Next: next } : {}),
    });
    item.set(
      PDFName.of("Dest"),
      context.obj([page.ref, PDFName.of("XYZ"), PDFNull, PDFNumber.of(y), PDFNull]),
    );
    const ref = refs[index];
    if (ref) context.assign(ref, item);
  });
  const [first, last] = [refs[0], refs.at(-1)];
  if (!first || !last) return;
  context.assign(
    root,
    context.obj({ Type: "Outlines", First: first, Last: last, Count: entries.length }),
  );
  catalog.set(PDFName.of("Outlines"), root);
  catalog.set(PDFName.of("PageMode"), PDFName.of("UseOutlines"));
}
