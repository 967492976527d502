//! The controls of a job: which ones stand when, and what their forms do without scripts.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, read_body};
use medusa_types::JobId;

use crate::made_up::{CSRF, DONE, PAUSED, PERSON, RUNNING};
use crate::made_up_control::QUOTE;
use crate::{get, header, visit};

async fn send(job: JobId, act: &str, fields: &[(&str, &str)]) -> (StatusCode, String, String) {
    let request = TestRequest::post().uri(&format!("/app/jobs/{job}/{act}")).set_form(fields);
    let answer = visit(request, Some(PERSON)).await;
    let (status, to) = (answer.status(), header(&answer, "location"));
    (status, to, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn a_page_says_in_which_mode_its_job_is_and_what_is_needed() {
    for (id, mode) in [(RUNNING, "running"), (PAUSED, "hold_spent"), (DONE, "ended")] {
        let (_, html) = get(&format!("/app/jobs/{id}"), Some(PERSON)).await;
        assert!(html.contains(&format!("data-mode=\"{mode}\"")), "{mode}");
        for act in ["pause", "resume", "budget", "retry", "cancel", "rerun"] {
            assert!(html.contains(&format!("action=\"/app/jobs/{id}/{act}\"")), "{mode} {act}");
        }
    }
    let (_, html) = get(&format!("/app/jobs/{RUNNING}"), Some(PERSON)).await;
    for words in
        ["Quoted: about 1.00 cr", "<span>memory</span><b>0.06</b>", "<span>transfer</span>"]
    {
        assert!(html.contains(words), "{words}");
    }
    let (_, html) = get(&format!("/app/jobs/{PAUSED}"), Some(PERSON)).await;
    assert!(!html.contains("Quoted:"), "its quote is not known any more");
    assert!(html.contains("Raise the budget to go on, or stop the job."));
    // 0.59231 for 35 of 48 chunks; 0.66769 is left: four times a chunk's mean is there already.
    assert!(html.contains("<span data-part=\"rest\">0.66769</span>"));
    assert!(html.contains("<span data-part=\"missing\">0.00</span>"));
}

#[actix_web::test]
async fn each_order_goes_back_to_the_job_and_needs_the_form() {
    for (act, field) in [
        ("pause", ("at", "7")),
        ("resume", ("at", "7")),
        ("budget", ("add", " 2.5 ")),
        ("retry", ("fuel_times", "4")),
        ("cancel", ("at", "7")),
    ] {
        let (status, to, _) = send(RUNNING, act, &[("csrf", CSRF), field]).await;
        assert_eq!((status, to), (StatusCode::SEE_OTHER, format!("/app/jobs/{RUNNING}")), "{act}");
        let (status, ..) = send(RUNNING, act, &[("csrf", "another"), field]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{act}");
    }
}

#[actix_web::test]
async fn nonsense_is_refused_in_words() {
    for (act, field, status, words) in [
        ("budget", ("add", "much"), StatusCode::UNPROCESSABLE_ENTITY, "jobs.amount"),
        ("budget", ("add", "99"), StatusCode::PAYMENT_REQUIRED, "billing.credits_short"),
        ("retry", ("fuel_times", "-1"), StatusCode::UNPROCESSABLE_ENTITY, "jobs.fuel_times"),
        ("explode", ("at", "7"), StatusCode::NOT_FOUND, "Nothing floats here"),
        ("run", ("quote", "another"), StatusCode::NOT_FOUND, "Nothing floats here"),
    ] {
        let (found, _, html) = send(RUNNING, act, &[("csrf", CSRF), field]).await;
        assert_eq!(found, status, "{act} {field:?}");
        assert!(html.contains(words), "{act} {field:?}");
    }
}

#[actix_web::test]
async fn running_it_again_shows_the_price_first() {
    let (status, _, html) = send(DONE, "rerun", &[("csrf", CSRF)]).await;
    assert_eq!(status, StatusCode::OK);
    for words in ["about 6 % of the chunks", "30 s to 6 min", "held, at most 4.00", "&#60;b&#62;"] {
        assert!(html.contains(words), "{words}");
    }
    assert!(
        html.contains("about 2.0 kB, at most 4.0 kB") && html.contains("7 more runs on agents")
    );
    // 0.8, 0.002, 0.048 and 0.15 of 1.0.
    assert!(html.contains("class=\"part-verification\" x=\"802\" width=\"48\""));
    assert!(!html.contains("<b>\"Sharp") && !html.contains(" style="));
    let again =
        visit(TestRequest::get().uri(&format!("/app/jobs/{DONE}/rerun")), Some(PERSON)).await;
    assert_eq!(header(&again, "location"), format!("/app/jobs/{DONE}"));
    let (status, to, _) = send(DONE, "run", &[("csrf", CSRF), ("quote", QUOTE)]).await;
    assert_eq!((status, to), (StatusCode::SEE_OTHER, format!("/app/jobs/{RUNNING}")));
}

#[actix_web::test]
async fn paused_jobs_stand_out_in_the_list_and_on_the_overview() {
    let (_, html) = get("/app/jobs", Some(PERSON)).await;
    assert!(html.contains(&format!("<tr data-job=\"{PAUSED}\" data-state=\"paused\" data-live>")));
    assert!(html.contains("<small data-part=\"why\">budget spent</small>"));
    let (_, html) = get("/app", Some(PERSON)).await;
    assert!(html.contains("A job waits for you") && html.contains("raise the budget to go on"));
}
