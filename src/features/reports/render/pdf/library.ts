/** Loaded with the first PDF: it takes longer to start than the rest of the Worker. */
export type PdfLibrary = typeof import("@cantoo/pdf-lib");
