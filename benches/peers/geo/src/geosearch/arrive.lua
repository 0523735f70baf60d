-- Somebody arrives: pairs them with the nearest within reach of both, or lets them wait.
--
-- ARGV: who ("id:range in metres"), longitude, latitude, range. Whoever waits is a member of the same form
-- of one sorted set, so that the other side's range comes with the answer of the search.
-- Returns who was met, or false.

local who, lon, lat, range = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local seen, count = 0, 16
while true do
  local near = redis.call('GEOSEARCH', 'waiting', 'FROMLONLAT', lon, lat, 'BYRADIUS', range, 'm',
    'ASC', 'COUNT', count, 'WITHDIST')
  for index = seen + 1, #near do
    local other, distance = near[index][1], tonumber(near[index][2])
    if distance <= tonumber(string.match(other, ':(.*)')) then
      redis.call('ZREM', 'waiting', other)
      return other
    end
  end
  if #near < count then
    break
  end
  seen, count = #near, count * 16
end
redis.call('GEOADD', 'waiting', lon, lat, who)
return false
