-- The same as arrive.lua, with a sorted set for each power of two of range: whoever is in a class excludes
-- everybody further away than the class's largest range, so no search has to go further.
--
-- ARGV: who ("id:range in metres"), longitude, latitude, range, class (range <= 2^class metres), largest class.
-- Returns who was met, or false.

local who, lon, lat, range, class = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local best, best_distance, best_class = false, range, false
for other_class = 0, tonumber(ARGV[6]) do
  local key = 'waiting:' .. other_class
  local radius = math.min(best_distance, 2 ^ other_class)
  local seen, count = 0, 16
  while true do
    local near = redis.call('GEOSEARCH', key, 'FROMLONLAT', lon, lat, 'BYRADIUS', radius, 'm',
      'ASC', 'COUNT', count, 'WITHDIST')
    local found = false
    for index = seen + 1, #near do
      local other, distance = near[index][1], tonumber(near[index][2])
      if distance <= tonumber(string.match(other, ':(.*)')) then
        best, best_distance, best_class, found = other, distance, other_class, true
        break
      end
    end
    if found or #near < count then
      break
    end
    seen, count = #near, count * 16
  end
end
if best then
  redis.call('ZREM', 'waiting:' .. best_class, best)
  return best
end
redis.call('GEOADD', 'waiting:' .. class, lon, lat, who)
return false
