import type { RecordedInstance } from "./record-instance.ts";

export interface DocumentedParameter {
  name: string;
  in: string;
  required?: boolean;
  schema: { enum?: string[]; type?: string };
}

/** An operation of the OpenAPI document. */
export interface DocumentedOperation {
  /** `GET /api/v1/agents/{id}` */
  name: string;
  method: string;
  path: string;
  parameters: DocumentedParameter[];
  hasBody: boolean;
}

interface Described {
  parameters?: DocumentedParameter[];
  requestBody?: object;
}

interface Document {
  paths: Record<string, Record<string, Described>>;
}

export async function documentedOperations({
  url,
}: RecordedInstance): Promise<DocumentedOperation[]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([lower, { parameters = [], requestBody }]) => {
      const method = lower.toUpperCase();
      return {
        ...{ name: `${method} ${path}`, method, path, parameters },
        hasBody: requestBody !== undefined,
      };
    }),
  );
}
