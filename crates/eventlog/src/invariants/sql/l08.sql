select event_pos as pos,
    case when refusal is null then format('nothing is known of the key %s', key)
        else format('the key %s was refused with %s', key, refusal) end as what
from idem
where recorded_pos is null
