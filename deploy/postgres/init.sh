#!/usr/bin/env bash
# Run once by the image of PostgreSQL, in an empty database: the tables of the connectors, and passwords for those who log in.
set -euo pipefail
for file in /connectors/sql/[0-9]*.sql; do
  psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file"
done
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" \
  -v writer="$QUOTA_AUDIT_WRITER_PASSWORD" -v source="$QUOTA_ADMIN_SOURCE_PASSWORD" -v reader="$QUOTA_READER_PASSWORD" <<'SQL'
ALTER ROLE quota_audit_writer PASSWORD :'writer';
ALTER ROLE quota_admin_source PASSWORD :'source';
CREATE ROLE quota_reader LOGIN PASSWORD :'reader';
GRANT quota_auditor TO quota_reader;
SQL
