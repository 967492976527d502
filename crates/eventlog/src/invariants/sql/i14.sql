select accepted_pos as pos, format('attempt %s claims fuel %s of %s', id, fuel, fuel_cap) as what
from attempts
where accepted_pos is not null and (fuel < 0 or fuel > fuel_cap)
