declare namespace Cloudflare {
  interface Env {
    DATABASE_URL: string;
    NEON_ENDPOINT: string;
    READER: string;
    JWT_SECRET_KEY: string;
    FUZZ_REQUESTS: string;
    FUZZ_SEED: string;
    STATEMENT_TIMEOUT_SECONDS: string;
    QUOTAS: string;
  }
}

declare module "*.gz?inline" {
  /** A data: URL. */
  const value: string;
  export default value;
}

declare module "*.sql?raw" {
  /** The file's text. */
  const value: string;
  export default value;
}
