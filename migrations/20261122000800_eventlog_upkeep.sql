-- What keeps the derived tables right: building them anew, and looking at them all the time.

-- The reservations that an account had open at a position: those that ended later, or have not.
create index reservation_from on reservation
    (from_account, coalesce(resolved_position, 9223372036854775807));
create index reservation_to on reservation
    (to_account, coalesce(resolved_position, 9223372036854775807));

-- Read models are built anew beside the live ones: in temporary tables of the same names, which
-- statements without a schema find first. Then what differs is put right.

-- How rows of a table are compared: the columns that name a thing, and a query for everything that
-- the rows say of it.
create function rebuild_shape(source text, name text, out key text, out content text)
language plpgsql stable as $$
begin
    if name = 'statement_page' then
        -- Where one page ends and the next begins depends on how many events came at a time. The
        -- lines do not, nor what stands on the account after each; a page says where it ends.
        key := 'account_id';
        content := format(
            'select p.account_id, p.first_position + l.step as position, l.entry, l.amount,
                 p.opening + sum(l.amount) over (
                     partition by p.account_id, p.first_position, p.last_position
                     order by l.n) as balance,
                 p.last_position = p.first_position + p.offsets[cardinality(p.offsets)] as whole
             from %1$s.%2$I p
             left join lateral unnest(p.offsets, p.entries, p.amounts)
                 with ordinality as l (step, entry, amount, n) on true',
            source, name);
        return;
    end if;
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
    into strict key
    from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indrelid = format('public.%I', name)::regclass and i.indisprimary;
    content := format('select * from %1$s.%2$I', source, name);
end
$$;

-- Makes empty tables like the live ones. They go with the connection.
create function rebuild_begin(names text[]) returns void language plpgsql as $$
declare
    name text;
begin
    perform set_config('client_min_messages', 'warning', false);
    foreach name in array names loop
        execute format('create temp table %1$I (like public.%1$I including all)', name);
    end loop;
end
$$;

-- Nobody else looks after the statistics of temporary tables.
create function rebuild_analyze(names text[]) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array names loop
        execute format('analyze pg_temp.%I', name);
    end loop;
end
$$;

-- Notes what differs between the live tables and those that were built, and counts it.
create function rebuild_compare(names text[]) returns bigint language plpgsql as $$
declare
    name text;
    live record;
    built record;
    found bigint;
    total bigint := 0;
begin
    foreach name in array names loop
        live := rebuild_shape('public', name);
        built := rebuild_shape('pg_temp', name);
        execute format('drop table if exists pg_temp.%I', 'differs_' || name);
        execute format(
            'create temp table %1$I as select distinct %2$s from (
                 (%3$s except all %4$s) union all (%4$s except all %3$s)) as different',
            'differs_' || name, live.key, live.content, built.content);
        get diagnostics found = row_count;
        total := total + found;
    end loop;
    return total;
end
$$;

-- Gives the live tables what was built, where it differs.
create function rebuild_mend(names text[]) returns void language plpgsql as $$
declare
    name text;
    key text;
    differs text;
begin
    foreach name in array names loop
        key := (rebuild_shape('public', name)).key;
        differs := format('select %s from pg_temp.%I', key, 'differs_' || name);
        execute format('delete from public.%I where (%s) in (%s)', name, key, differs);
        execute format(
            'insert into public.%1$I select * from pg_temp.%1$I where (%2$s) in (%3$s)',
            name, key, differs);
    end loop;
end
$$;

-- Tiles are computed from the leaves and can be computed again: a wrong one is thrown away.
grant delete on merkle_tile to medusa_app;
