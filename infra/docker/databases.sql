-- The vault is the one database that needs a backup; the read models are rebuilt from the event store.
create database vault;
create database readmodels;
alter database readmodels set synchronous_commit = off;
