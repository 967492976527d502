select max(event_pos) as pos,
    format('%s has given %s more than it got', account_id, -sum(amount)) as what
from entries
where account_id like 'campaign.reserve:%'
group by account_id
having sum(amount) < 0
