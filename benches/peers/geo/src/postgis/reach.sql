-- Whom anybody would go to, as a box in the index: only those are looked at whose box holds the newcomer.

CREATE UNLOGGED TABLE waiting (id int PRIMARY KEY, place geography NOT NULL, range_m float8 NOT NULL);

CREATE FUNCTION arrive(who int, lon float8, lat float8, reach_m float8) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  here geography := ST_MakePoint(lon, lat)::geography;
  met int;
BEGIN
  SELECT id INTO met FROM waiting
  WHERE _ST_Expand(place, range_m) && here AND ST_DWithin(place, here, least(reach_m, range_m))
  ORDER BY ST_Distance(place, here) LIMIT 1;
  IF met IS NULL THEN
    INSERT INTO waiting VALUES (who, here, reach_m);
  ELSE
    DELETE FROM waiting WHERE id = met;
  END IF;
  RETURN met;
END
$$;
