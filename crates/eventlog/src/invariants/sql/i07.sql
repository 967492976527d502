select max(event_pos) as pos, format('attempt %s is paid %s times', attempt_id, count(*)) as what
from payments
group by attempt_id
having count(*) > 1
