CREATE INDEX ON waiting USING gist (place);
