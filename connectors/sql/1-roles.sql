-- Who may do what. Run once in the database, as a superuser, before the other files. Then give the two roles that log in
-- a password: ALTER ROLE quota_audit_writer PASSWORD '...'; ALTER ROLE quota_admin_source PASSWORD '...';

-- Owns everything below; nobody logs in as this role.
CREATE ROLE quota_owner NOLOGIN;

-- The two audit connectors: hand rows in, and can do nothing else. Not even read them back.
CREATE ROLE quota_audit_writer LOGIN;

-- The quota connector: reads one table, and the stream of its changes.
CREATE ROLE quota_admin_source LOGIN REPLICATION;

-- For people, as a membership: GRANT quota_auditor TO alice;
CREATE ROLE quota_auditor NOLOGIN;
CREATE ROLE quota_operator NOLOGIN;

CREATE SCHEMA quota_audit AUTHORIZATION quota_owner;
CREATE SCHEMA quota_admin AUTHORIZATION quota_owner;
GRANT USAGE ON SCHEMA quota_audit TO quota_audit_writer, quota_auditor;
GRANT USAGE ON SCHEMA quota_admin TO quota_admin_source, quota_operator;
