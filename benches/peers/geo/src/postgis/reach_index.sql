CREATE INDEX ON waiting USING gist (_ST_Expand(place, range_m));
