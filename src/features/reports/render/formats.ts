import { workbookOf } from "../../../formats/xlsx.ts";
import { AppError } from "../../../lib/errors.ts";
import type { RunRequest } from "../runs/schema.ts";
import type { ReportDocument } from "./document.ts";
import { renderHtml } from "./html.ts";
import { renderPdf } from "./pdf/render.ts";
import { renderCsvZip, sectionSheets } from "./sheets.ts";

interface Renderer {
  extension: string;
  contentType: string;
  render(document: ReportDocument): Promise<Uint8Array> | Uint8Array;
}

const encoder = new TextEncoder();

/** Every format shows the same document. */
const RENDERERS: Record<RunRequest["format"], Renderer> = {
  pdf: { extension: "pdf", contentType: "application/pdf", render: renderPdf },
  html: {
    extension: "html",
    contentType: "text/html; charset=utf-8",
    render: (document) => encoder.encode(renderHtml(document)),
  },
  json: {
    extension: "json",
    contentType: "application/json",
    render: (document) => encoder.encode(`${JSON.stringify(document, null, 2)}\n`),
  },
  csv: { extension: "zip", contentType: "application/zip", render: renderCsvZip },
  xlsx: {
    extension: "xlsx",
    contentType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    render: ({ sections }) => workbookOf(sectionSheets(sections)),
  },
};

export interface RenderedFile {
  bytes: Uint8Array;
  extension: string;
  contentType: string;
}

/** @throws AppError unprocessable: a later attempt would fail in the same way */
export async function renderDocument(
  document: ReportDocument,
  format: RunRequest["format"],
): Promise<RenderedFile> {
  const { extension, contentType, render } = RENDERERS[format];
  try {
    return { bytes: await render(document), extension, contentType };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const message = `The report cannot be rendered as ${format}.`;
    throw new AppError("unprocessable", "render_failed", message, { cause });
  }
}
