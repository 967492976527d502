select null::bigint as pos, format('the application may %s %s', privilege, kept.name) as what
from (
    select inhrelid as id, inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'public.event'::regclass
    union all
    select id, id::text
    from unnest(array['public.event', 'public.log_head', 'public.operation']::regclass[]) as id
) as kept
cross join unnest(array['insert', 'update', 'delete', 'truncate']) as privilege
where has_table_privilege('medusa_app', kept.id, privilege)
union all
select null, format('nothing keeps events from being changed: %s on %s is not always on',
    wanted.name, wanted.id::regclass)
from (
    select 'public.event'::regclass as id, name
    from unnest(array['event_append_only', 'event_no_truncate']) as name
    union all
    select inhrelid, 'event_append_only' from pg_inherits
    where inhparent = 'public.event'::regclass
) as wanted
where not exists (
    select from pg_trigger
    where tgrelid = wanted.id and tgname = wanted.name and tgenabled = 'A')
