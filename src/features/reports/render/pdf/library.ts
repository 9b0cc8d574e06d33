/** The library, loaded when the first PDF is made: it takes longer to begin than all the rest of the Worker. */
export type PdfLibrary = typeof import("@cantoo/pdf-lib");
