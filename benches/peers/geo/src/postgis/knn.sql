-- The nearest by the index on places, the range of the other side looked at on the way.

CREATE UNLOGGED TABLE waiting (id int PRIMARY KEY, place geography NOT NULL, range_m float8 NOT NULL);

CREATE FUNCTION arrive(who int, lon float8, lat float8, reach_m float8) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  here geography := ST_MakePoint(lon, lat)::geography;
  met int;
BEGIN
  SELECT id INTO met FROM waiting
  WHERE ST_DWithin(place, here, reach_m) AND ST_DWithin(place, here, range_m)
  ORDER BY place <-> here LIMIT 1;
  IF met IS NULL THEN
    INSERT INTO waiting VALUES (who, here, reach_m);
  ELSE
    DELETE FROM waiting WHERE id = met;
  END IF;
  RETURN met;
END
$$;
