/** The library, loaded when the first PDF is made: it takes longer to begin than all the rest of the Worker. */
export type Pdf = typeof import("@cantoo/pdf-lib");
