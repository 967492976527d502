select max(event_pos) as pos, format('the key %s has done something twice', key) as what
from (
    select owner, key, event_pos,
        event_pos - row_number() over (partition by owner, key order by event_pos) as run
    from idem
) i
group by owner, key
having count(distinct run) > 1
union all
select max(event_pos), format('the key %s is known for event %s', key, recorded_pos)
from idem
group by owner, key, recorded_pos
having recorded_pos <> max(event_pos)
