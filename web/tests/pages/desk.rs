//! The audit desk: who sees it, who may act, and what its pages say.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, read_body};

use crate::made_up::{ADMIN, AUDITOR, CSRF, PERSON, RUNNING, USER};
use crate::made_up_desk::{OWN, THEIRS};
use crate::{get, header, visit};

/// Every page of the desk.
pub(crate) fn pages() -> Vec<String> {
    let own = format!("/admin/accounts/consumer.promo:{USER}");
    let mut pages: Vec<String> = [
        "/admin",
        "/admin?position=12",
        "/admin?position=0",
        "/admin?time=2026-11-22T19:30",
        "/admin/accounts",
        "/admin/accounts?search=nobody",
        "/admin/events",
        "/admin/events?event=none.",
        "/admin/events?account=bank&order=oldest&from=7&until=2026-11-22T19:30:05",
        "/admin/invariants",
        "/admin/checkpoints",
        "/admin/projections",
        "/admin/adjustments",
        "/app/events/1204",
    ]
    .map(str::to_owned)
    .into();
    pages.extend([format!("{own}?from=1&to=11"), own]);
    pages
}

#[actix_web::test]
async fn an_auditor_sees_everything_and_can_press_nothing() {
    for page in pages() {
        let (status, html) = get(&page, Some(AUDITOR)).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let main = html.split("<main").nth(1).unwrap();
        let main = main.split("</main>").next().unwrap();
        assert!(!main.contains("method=\"post\""), "{page}");
        assert!(!main.contains("id=\"verify\""), "{page}");
        assert!(html.contains("<a href=\"/admin\" aria-current="), "{page}");
    }
    for path in ["/admin/invariants", "/admin/adjustments", &decide(&THEIRS.to_string(), "approve")]
    {
        for who in [AUDITOR, PERSON] {
            let request = TestRequest::post().uri(path).set_form([("csrf", CSRF)]);
            assert_eq!(visit(request, Some(who)).await.status(), StatusCode::FORBIDDEN, "{path}");
        }
    }
}

#[actix_web::test]
async fn the_desk_is_closed_to_everybody_else() {
    for page in pages().into_iter().filter(|page| page.starts_with("/admin")) {
        let (status, html) = get(&page, Some(PERSON)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{page}");
        assert!(html.contains("admin or auditor"), "{page}");
        let answer = visit(TestRequest::get().uri(&page), None).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{page}");
    }
    let (_, html) = get("/app/events/1204", Some(PERSON)).await;
    assert!(!html.contains("/admin") && html.contains("id=\"prove\""));
}

#[actix_web::test]
async fn the_books_are_shown_as_of_a_moment() {
    let (_, html) = get("/admin", Some(ADMIN)).await;
    for text in [
        "<span class=\"badge\" data-state=\"done\">balanced</span>",
        "<b>398.658759</b>",
        "<b>12.00</b><small>USD at bank and providers",
        "<b>1 of 4</b>",
        "1 broken",
        "href=\"/v1/admin/trial-balance?format=csv\"",
        "First at <a class=\"num\" href=\"/app/events/812\">",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let (_, html) = get("/admin?position=12", Some(ADMIN)).await;
    assert!(html.contains("as of position <a class=\"num\" href=\"/app/events/12\">"));
    assert!(html.contains("/v1/admin/trial-balance?position=12&#38;format=csv"));
    let (_, html) = get("/admin?time=2026-11-22T19:30", Some(ADMIN)).await;
    assert!(html.contains("/v1/admin/trial-balance?at=1795375800000000&#38;format=csv"));
    let (_, html) = get("/admin?position=0", Some(ADMIN)).await;
    assert!(html.contains("no account was used yet") && html.contains("before the first event"));
}

#[actix_web::test]
async fn a_moment_that_makes_no_sense_is_told_beside_the_form() {
    for (query, words) in [
        ("position=9999", "The log ends at position 1204."),
        ("position=x", "A position is a whole number."),
        ("time=noon", "A time reads like"),
    ] {
        let (status, html) = get(&format!("/admin?{query}"), Some(ADMIN)).await;
        assert_eq!(status, StatusCode::OK, "{query}");
        let banner = format!("<p class=\"banner bad\" role=\"alert\">{words}");
        assert!(html.contains(&banner), "{query}");
    }
    let path = format!("/admin/accounts/consumer.promo:{USER}?from=20&to=3");
    let (_, html) = get(&path, Some(ADMIN)).await;
    assert!(html.contains("A statement begins before it ends."));
    let (_, html) = get("/admin/events?actor=job_7", Some(ADMIN)).await;
    assert!(html.contains("role=\"alert\">An id of this kind starts with usr_"));
}

#[actix_web::test]
async fn an_account_has_a_statement_that_adds_up_and_a_curve() {
    let path = format!("/admin/accounts/consumer.promo:{USER}");
    let (_, html) = get(&path, Some(ADMIN)).await;
    for text in [
        "Opening balance",
        "Closing balance",
        "+400.00",
        "\u{2212}1.26",
        "<svg viewBox=\"0 0 6000 1200\"",
        "aria-label=\"The balance between 0.00 and 400.00",
        "?before=12.0#statement",
        "/statement?limit=500&#38;format=csv",
        "Reserved to come in</span><b>1.50",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let (_, html) = get(&format!("{path}?to=11"), Some(ADMIN)).await;
    assert!(html.contains("Nothing moved on this account") && !html.contains("class=\"line\""));
    let (status, _) = get("/admin/accounts/consumer.promo:usr_7", Some(ADMIN)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, html) = get("/admin/accounts?search=nobody", Some(ADMIN)).await;
    assert!(html.contains("No such account"));
    let (_, html) = get("/admin/accounts?class=escrow.promo", Some(ADMIN)).await;
    assert!(html.contains("<option selected>escrow.promo</option>"));
    assert!(html.contains("/admin/accounts?class=escrow.promo&#38;after=more%261"));
}

#[actix_web::test]
async fn events_are_filtered_and_the_newest_are_followed() {
    let (_, html) = get("/admin/events", Some(ADMIN)).await;
    assert!(html.contains("data-from=\"1205\"") && html.contains("/events.js\""));
    let filter = format!("/admin/events?stream=job-{RUNNING}&event=billing.");
    let (_, html) = get(&filter, Some(ADMIN)).await;
    let query = format!("data-query=\"event=billing.&#38;stream=job-{RUNNING}\"");
    assert!(html.contains(&query));
    for still in ["order=oldest", "to=1000", "until=2026-11-22T19:30", "after=1154"] {
        let (_, html) = get(&format!("/admin/events?{still}"), Some(ADMIN)).await;
        assert!(!html.contains("/events.js\""), "{still}");
    }
    let (_, html) = get("/admin/events?event=none.&after=7", Some(ADMIN)).await;
    assert!(html.contains("<div class=\"empty\" id=\"none\">"));
    let (_, html) = get("/admin/events?event=%22%3E%3Cb%3Ex", Some(ADMIN)).await;
    assert!(!html.contains("\"><b>x"));
}

#[actix_web::test]
async fn an_event_leads_to_its_cause_its_stream_its_accounts_and_its_proof() {
    let (_, html) = get("/app/events/1204", Some(AUDITOR)).await;
    for text in [
        "href=\"/app/events/1190\">event #1190</a>",
        &format!("href=\"/admin/events?stream=job-{RUNNING}&#38;order=oldest\""),
        &format!("href=\"/admin/accounts/lender.pending:{USER}?to=1204\""),
        &format!("href=\"/admin/events?actor={USER}\""),
        "href=\"/admin/events?causation=1204\"",
        "id=\"prove\" hidden>Verify in the browser",
        "<tfoot><tr><td>Sum</td><td class=\"n\">0.00",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("/app/events/1205"), "it is the last one");
}

#[actix_web::test]
async fn checks_tell_what_is_broken_what_is_late_and_who_has_not_signed() {
    let (_, html) = get("/admin/invariants", Some(ADMIN)).await;
    for text in [
        "1 of 4 are broken.",
        "nothing yet</span>",
        "and saw 1,100 events",
        "Everything is being checked, from the first event on.",
        "2 broken</span>",
        "not checked</span>",
        "<small>No account has a reservation yet.</small>",
        "The balance of bank differs from its lines. First at <a href=\"/app/events/812\">",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let (_, html) = get("/admin/checkpoints", Some(ADMIN)).await;
    assert!(html.contains("<code>witness.test/one</code> signed 1,204 events"));
    assert!(html.contains("<code>witness.test/two</code> signed none of the checkpoints"));
    assert!(html.contains("data-note=\"checkpoint-1204.txt\""));
    let (_, html) = get("/admin/projections", Some(ADMIN)).await;
    let told = ["up to date", "catching up", "not reached", "1,240 ms", "9 s, 3 rows differed"];
    for text in told {
        assert!(html.contains(text), "{text}");
    }
}

#[actix_web::test]
async fn a_decision_that_is_refused_is_told_on_the_page() {
    let request = TestRequest::post().uri(&decide(&OWN.to_string(), "approve"));
    let form = [("csrf", CSRF), ("read", "yes")];
    let answer = visit(request.set_form(form), Some(ADMIN)).await;
    let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert!(html.contains("<b>Nothing was decided.</b> Somebody else decides about what you"));
    assert!(html.contains("billing.second_person") && html.contains("Waiting for a second"));
}

fn decide(id: &str, how: &str) -> String {
    format!("/admin/adjustments/{id}/{how}")
}

#[actix_web::test]
async fn an_adjustment_needs_a_second_person() {
    let (_, html) = get("/admin/adjustments", Some(ADMIN)).await;
    let (theirs, own) = (THEIRS.to_string(), OWN.to_string());
    assert!(
        html.contains(&decide(&theirs, "approve")) && html.contains(&decide(&theirs, "reject"))
    );
    assert!(html.contains(&decide(&own, "withdraw")) && !html.contains(&decide(&own, "approve")));
    for (path, csrf, status) in [
        (decide(&theirs, "approve"), CSRF, StatusCode::SEE_OTHER),
        (decide(&theirs, "reject"), CSRF, StatusCode::SEE_OTHER),
        (decide(&own, "withdraw"), CSRF, StatusCode::SEE_OTHER),
        (decide(&own, "approve"), CSRF, StatusCode::FORBIDDEN),
        (decide(&theirs, "approve"), "", StatusCode::FORBIDDEN),
        (decide(&theirs, "forget"), CSRF, StatusCode::NOT_FOUND),
        (decide("adj_7", "approve"), CSRF, StatusCode::NOT_FOUND),
        ("/admin/invariants".into(), CSRF, StatusCode::SEE_OTHER),
        ("/admin/invariants".into(), "", StatusCode::FORBIDDEN),
    ] {
        let request = TestRequest::post().uri(&path).set_form([("csrf", csrf), ("read", "yes")]);
        assert_eq!(visit(request, Some(ADMIN)).await.status(), status, "{path}");
    }
    // Only an approval says that something was read.
    for (how, read, status) in [
        ("approve", "", StatusCode::UNPROCESSABLE_ENTITY),
        ("approve", "no", StatusCode::UNPROCESSABLE_ENTITY),
        ("reject", "", StatusCode::SEE_OTHER),
    ] {
        let request = TestRequest::post().uri(&decide(&theirs, how));
        let request = request.set_form([("csrf", CSRF), ("read", read)]);
        assert_eq!(visit(request, Some(ADMIN)).await.status(), status, "{how} {read:?}");
    }
}

#[actix_web::test]
async fn a_proposal_that_lacks_something_keeps_what_was_typed() {
    let propose = |ticket: &'static str, reason: &'static str| {
        let form = [
            ("csrf", CSRF),
            ("account", "bank"),
            ("amount", "+1.50"),
            ("reason", reason),
            ("explanation", "counted twice by the import"),
            ("ticket", ticket),
        ];
        TestRequest::post().uri("/admin/adjustments").set_form(form)
    };
    let answer = visit(propose("", "correction"), Some(ADMIN)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert!(
        html.contains("id=\"ticket-wrong\">Name the ticket.</p>")
            && html.contains("value=\"+1.50\"")
    );
    assert!(html.contains(">counted twice by the import</textarea>"));
    let answer = visit(propose("T-7", "because"), Some(ADMIN)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let answer = visit(propose("T-7", "correction"), Some(ADMIN)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&answer, "location"), "/admin/adjustments");
}
