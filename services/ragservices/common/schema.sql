CREATE EXTENSION IF NOT EXISTS vector;

-- One embedding model and its dimension. Its chunks are in a table of their own, chunks_<id>, so that vectors of
-- different models can never meet in one search.
CREATE TABLE IF NOT EXISTS collections (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model      text NOT NULL,
    dimension  integer NOT NULL CHECK (dimension > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model, dimension)
);

CREATE TABLE IF NOT EXISTS documents (
    id            uuid PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    name          text NOT NULL UNIQUE,
    sha256        bytea NOT NULL CHECK (length(sha256) = 32),
    media_type    text NOT NULL,
    bytes         bigint NOT NULL,
    pages         integer,
    chunks        integer NOT NULL CHECK (chunks > 0),
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS documents_sha256 ON documents (sha256);
