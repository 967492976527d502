//! The pages as a browser gets them, over services that are made up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod control;
mod desk;
mod made_up;
mod made_up_control;
mod made_up_desk;
mod made_up_notices;
mod notices;

use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::test::{self, TestRequest, read_body};
use actix_web::{App, web};
use made_up::{ADMIN, CSRF, DONE, MadeUp, PAUSED, PERSON, RUNNING};
use medusa_web::Site;

/// One request to the site, with a login cookie if there is one.
async fn visit(request: TestRequest, cookie: Option<&str>) -> ServiceResponse {
    let site = web::Data::new(Site::new(Arc::new(MadeUp), false));
    let app = test::init_service(App::new().app_data(site).configure(medusa_web::configure)).await;
    let request = match cookie {
        Some(value) => request.insert_header(("cookie", format!("medusa={value}"))),
        None => request,
    };
    test::call_service(&app, request.to_request()).await
}

async fn get(path: &str, cookie: Option<&str>) -> (StatusCode, String) {
    let answer = visit(TestRequest::get().uri(path), cookie).await;
    let status = answer.status();
    (status, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
}

fn header(answer: &ServiceResponse, name: &str) -> String {
    answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

fn all_pages() -> Vec<(String, Option<&'static str>)> {
    let mut pages = vec![
        ("/".to_owned(), None),
        ("/".to_owned(), Some(PERSON)),
        ("/signup".to_owned(), None),
        ("/login?next=/app/jobs".to_owned(), None),
        ("/docs".to_owned(), None),
        ("/docs/errors".to_owned(), None),
    ];
    pages.extend(desk::pages().into_iter().map(|page| (page, Some(ADMIN))));
    let own = [
        "/app",
        "/app/jobs",
        "/app/jobs/new?example=cells",
        "/app/wallet",
        "/app/lend",
        "/app/lend/agt_01935c1e000070008000000000000bb1",
        "/app/earn",
        "/app/notices",
    ];
    pages.extend(own.map(|path| (path.to_owned(), Some(PERSON))));
    pages.extend(["/device?code=WDJB-MJHT", "/app/events/1204"].map(|p| (p.into(), Some(PERSON))));
    for id in [RUNNING, PAUSED, DONE] {
        pages.push((format!("/app/jobs/{id}"), Some(PERSON)));
        pages.push((format!("/app/jobs/{id}/chunks"), Some(PERSON)));
        pages.push((format!("/app/jobs/{id}/timeline"), Some(PERSON)));
        pages.push((format!("/app/jobs/{id}/compare"), Some(PERSON)));
    }
    pages.push((format!("/app/jobs/{DONE}/events"), Some(PERSON)));
    pages.push((format!("/app/jobs/{DONE}/compare?with={RUNNING}"), Some(PERSON)));
    pages
}

#[actix_web::test]
async fn a_job_shows_who_worked_when_and_what_to_take_along() {
    let (_, html) = get(&format!("/app/jobs/{DONE}"), Some(PERSON)).await;
    assert!(html.contains("<rect class=\"lap end-wrong\"") && html.contains("3 others"));
    assert!(html.contains(&format!("/v1/jobs/{DONE}/report.html")));
    let (_, html) = get(&format!("/app/jobs/{RUNNING}"), Some(PERSON)).await;
    assert!(html.contains("No agent has worked on it yet") && html.contains("/partial/"));
    let (_, html) = get(&format!("/app/jobs/{DONE}/events"), Some(PERSON)).await;
    assert!(html.contains("href=\"/app/events/3\"") && html.contains("after=2"));
    let (_, html) = get(&format!("/app/jobs/{DONE}/compare?with={RUNNING}"), Some(PERSON)).await;
    assert!(html.contains("They were asked differently") && html.contains("chunks?after=4"));
    let (status, _) = get(&format!("/app/jobs/{DONE}/compare?with=nonsense"), Some(PERSON)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_state_that_there_is_not_is_refused_on_a_page() {
    let (status, html) = get(&format!("/app/jobs/{DONE}/chunks?state=bogus"), Some(PERSON)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.starts_with("<!doctype html>") && html.contains("waiting, leased, verified"));
    let (status, _) = get(&format!("/app/jobs/{DONE}/chunks?state=verified"), Some(PERSON)).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn a_result_that_was_compared_looks_different_from_one_that_was_believed() {
    let (_, html) = get(&format!("/app/jobs/{DONE}/chunks"), Some(PERSON)).await;
    let row = |index: u32| {
        let chunk = format!("Chunk {index}</td>");
        html.split(&chunk).nth(1).unwrap().split("</tr>").next().unwrap().to_owned()
    };
    for (row, mark, words) in
        [(row(0), "by-agreed", "copies agreed"), (row(5), "by-trusted", "trusted by record")]
    {
        assert!(row.contains(mark) && row.contains(words), "{row}");
    }
    assert!(html.contains("What the verdicts mean") && html.contains("not compared"));
}

#[actix_web::test]
async fn every_page_comes_locked_down_and_light() {
    for (path, cookie) in all_pages() {
        let answer = visit(TestRequest::get().uri(&path), cookie).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = header(&answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
        let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        // The policy forbids them, so they would silently not work.
        for inline in [" style=", " onclick=", "<style", "javascript:"] {
            assert!(!html.contains(inline), "{path} has {inline}");
        }
        let scripts = html.matches("<script").count();
        assert_eq!(
            scripts,
            html.matches("<script type=\"module\" src=\"/static/").count(),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn what_people_typed_is_text_on_every_page() {
    for (path, cookie) in all_pages() {
        let (_, html) = get(&path, cookie).await;
        assert!(!html.contains("<b>\"Sharp"), "{path}");
    }
    let (_, html) = get("/device?code=%22%3E%3Cb%3Ex", Some(PERSON)).await;
    assert!(!html.contains("\"><b>x") && html.contains("&#34;&#62;&#60;b&#62;x"));
}

#[actix_web::test]
async fn who_is_not_logged_in_is_asked_to_and_comes_back() {
    let own = ["/app", "/app/jobs/new?example=cells", "/app/wallet", "/app/earn"];
    for path in own.into_iter().chain(["/device", "/admin"]) {
        let answer = visit(TestRequest::get().uri(path), None).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(header(&answer, "location"), format!("/login?next={path}"));
    }
}

#[actix_web::test]
async fn admin_pages_are_for_admins() {
    let (status, html) = get("/admin", Some(PERSON)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(html.contains("platform.forbidden"));
    let (status, _) = get("/app/events/1", Some(PERSON)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = get("/app/events/1", Some(ADMIN)).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn a_login_sets_a_cookie_that_scripts_cannot_read() {
    let form =
        [("email", "ada@example.org"), ("password", "right password"), ("next", "/app/jobs")];
    let request = TestRequest::post().uri("/login").set_form(form);
    let answer = visit(request, None).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&answer, "location"), "/app/jobs");
    let cookie = header(&answer, "set-cookie");
    assert!(cookie.starts_with("medusa=person; HttpOnly; SameSite=Lax; Path=/"), "{cookie}");
}

#[actix_web::test]
async fn a_login_never_leads_to_another_site() {
    for next in ["https://evil.test", "//evil.test", "/\\evil.test", ""] {
        let form = [("email", "a@b.c"), ("password", "right password"), ("next", next)];
        let answer = visit(TestRequest::post().uri("/login").set_form(form), None).await;
        assert_eq!(header(&answer, "location"), "/app", "{next:?}");
    }
}

#[actix_web::test]
async fn a_refused_form_says_why_beside_the_field_and_keeps_what_was_typed() {
    let form = [("email", "ada@example.org"), ("password", "short"), ("name", "Ada")];
    let answer = visit(TestRequest::post().uri("/signup").set_form(form), None).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert!(html.contains("id=\"password-wrong\">Use at least 8 characters.</p>"));
    assert!(html.contains("value=\"ada@example.org\"") && html.contains("aria-invalid=\"true\""));
    assert!(!html.contains("value=\"short\""));
}

#[actix_web::test]
async fn forms_of_another_site_are_refused() {
    let foreign = ("origin", "http://evil.test");
    let login = [("email", "a@b.c"), ("password", "right password")];
    let request = TestRequest::post().uri("/login").insert_header(foreign).set_form(login);
    assert_eq!(visit(request, None).await.status(), StatusCode::FORBIDDEN);
    for (csrf, status) in [("", StatusCode::FORBIDDEN), (CSRF, StatusCode::SEE_OTHER)] {
        let request = TestRequest::post().uri("/logout").set_form([("csrf", csrf)]);
        assert_eq!(visit(request, Some(PERSON)).await.status(), status);
    }
}

#[actix_web::test]
async fn a_machine_is_confirmed_by_its_code() {
    for (code, status, text) in [
        ("WDJB-MJHT", StatusCode::OK, "attic is yours"),
        ("BBBB-BBBB", StatusCode::NOT_FOUND, "No machine is waiting with this code."),
    ] {
        let form = [("code", code), ("name", ""), ("csrf", CSRF)];
        let answer = visit(TestRequest::post().uri("/device").set_form(form), Some(PERSON)).await;
        assert_eq!(answer.status(), status);
        let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        assert!(html.contains(text), "{code}");
    }
}

#[actix_web::test]
async fn what_asks_with_a_code_is_shown_before_it_is_confirmed() {
    let (_, html) = get("/device", Some(PERSON)).await;
    assert!(html.contains("<form method=\"get\"") && !html.contains(">Confirm</button>"));
    let (status, html) = get("/device?code=WDJB-MJHT", Some(PERSON)).await;
    assert_eq!(status, StatusCode::OK);
    for shown in ["&#60;i&#62;attic", "linux x86_64", "192.0.2.7", "nobody has checked them"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(html.contains(">Confirm</button>") && html.contains("value=\"WDJB-MJHT\""));
    let (status, html) = get("/device?code=BBBB-BBBB", Some(PERSON)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(html.contains("No machine is waiting") && !html.contains(">Confirm</button>"));
}

#[actix_web::test]
async fn a_machine_shows_what_it_earned_and_its_tasks() {
    let (_, html) = get("/app/lend", Some(PERSON)).await;
    assert!(html.contains("0.812345") && html.contains("2 removed"), "removed ones count");
    let page = "/app/lend/agt_01935c1e000070008000000000000bb1";
    let (_, html) = get(page, Some(PERSON)).await;
    for shown in ["&#60;b&#62;Cells", "0.00125", "0.00825", "paid: the program crashed"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(html.contains("href=\"/app/events/1204\"") && html.contains("could not be run there"));
}

#[actix_web::test]
async fn a_machine_is_steered_by_forms_and_removed_in_two_steps() {
    let page = "/app/lend/agt_01935c1e000070008000000000000bb1";
    let (_, html) = get(page, Some(PERSON)).await;
    assert!(html.contains("&#60;b&#62;on battery"), "what a machine says is text");
    let send = async |csrf: &str, act: &str, name: &str| {
        let form = [("csrf", csrf), ("act", act), ("name", name), ("slots", "x")];
        let answer = visit(TestRequest::post().uri(page).set_form(form), Some(PERSON)).await;
        let (status, to) = (answer.status(), header(&answer, "location").to_owned());
        (status, to, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
    };
    assert_eq!(send("", "pause", "").await.0, StatusCode::FORBIDDEN);
    for act in ["rename", "pause", "resume"] {
        let (status, to, _) = send(CSRF, act, "loft").await;
        assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, page), "{act}");
    }
    for (act, said) in [("rename", "1 to 60 characters"), ("limit", "Limits are whole numbers")] {
        let (status, _, html) = send(CSRF, act, "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{act}");
        assert!(html.contains("Nothing was changed") && html.contains(said), "{act}");
    }
    let (status, _, html) = send(CSRF, "remove", "").await;
    assert!(status == StatusCode::OK && html.contains("Remove attic?"), "it is asked first");
    let (status, to, _) = send(CSRF, "remove-now", "").await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/app/lend"));
    let other = "/app/lend/agt_00000000000000000000000000000009";
    assert_eq!(get(other, Some(PERSON)).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn who_watches_an_ad_knows_before_what_it_gives_and_what_it_does_not() {
    let (_, html) = get("/app/earn", Some(PERSON)).await;
    for words in [
        "<a href=\"/app/earn\" aria-current=\"page\">Earn</a>",
        "a credit buys about 3 core-minutes",
        "<b>Skipping gives nothing.</b>",
        "<b>For computing only.</b>",
        "stands still while this tab is hidden",
        // Until the script has an offer, there is nothing to start.
        "id=\"watch\" disabled>Watch</button>",
    ] {
        assert!(html.contains(words), "{words}");
    }
    for part in ["seconds", "reward", "left", "buys"] {
        assert!(html.contains(&format!("data-part=\"{part}\"")), "{part}");
    }
}

#[actix_web::test]
async fn the_theme_is_kept_and_comes_with_the_first_byte() {
    let request = TestRequest::post().uri("/theme").set_form([("theme", "dark"), ("to", "/docs")]);
    let answer = visit(request, None).await;
    assert_eq!(header(&answer, "location"), "/docs");
    assert!(header(&answer, "set-cookie").starts_with("theme=dark;"));
    let request = TestRequest::get().uri("/").insert_header(("cookie", "theme=dark"));
    let html = read_body(visit(request, None).await).await;
    assert!(String::from_utf8(html.to_vec()).unwrap().contains("data-theme=\"dark\""));
}

#[actix_web::test]
async fn files_are_kept_for_ever_under_the_hash_of_their_content() {
    let (_, html) = get("/", None).await;
    let path = html.split('"').find(|p| p.ends_with("/medusa.css")).unwrap().to_owned();
    let request = TestRequest::get().uri(&path).insert_header(("accept-encoding", "gzip, br"));
    let answer = visit(request, None).await;
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert_eq!(header(&answer, "content-type"), "text/css; charset=utf-8");
    assert!(header(&answer, "cache-control").contains("immutable"));
    let old = visit(TestRequest::get().uri("/static/0123/medusa.css"), None).await;
    assert_eq!(header(&old, "cache-control"), "no-store");
    let (status, _) = get("/static/0123/../Cargo.toml", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn unknown_addresses_answer_in_the_language_of_who_asked() {
    let (status, html) = get("/nowhere", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(html.contains("<h1>Nothing floats here</h1>"));
    let answer = visit(TestRequest::get().uri("/v1/nowhere"), None).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    for path in ["/app/jobs/job_7", "/app/events/x", "/docs/errors/..%2f..%2fCargo"] {
        assert_eq!(get(path, Some(PERSON)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[actix_web::test]
async fn the_first_answer_fits_in_one_flight() {
    for (path, cookie) in all_pages() {
        let (_, html) = get(&path, cookie).await;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut out, html.as_bytes()).unwrap();
        let size = out.finish().unwrap().len();
        assert!(size <= 14 * 1024, "{path} is {size} bytes");
        println!("{size:6} bytes {path}");
    }
}
