//! The little Markdown that the documentation of error codes uses, as HTML: headings, paragraphs,
//! lists, fenced code, inline code and links within the site. Everything else is text, and all
//! text is escaped.

/// The document as HTML.
pub(crate) fn html(source: &str) -> String {
    let mut out = String::new();
    let mut open = Block::None;
    for line in source.lines() {
        open = step(&mut out, open, line);
    }
    close(&mut out, open);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Paragraph,
    List,
    Code,
}

fn step(out: &mut String, open: Block, line: &str) -> Block {
    if line.starts_with("```") {
        close(out, open);
        if open == Block::Code {
            return Block::None;
        }
        out.push_str("<pre class=\"code\"><code>");
        return Block::Code;
    }
    if open == Block::Code {
        escape(out, line);
        out.push('\n');
        return open;
    }
    let text = line.trim();
    if text.is_empty() {
        close(out, open);
        return Block::None;
    }
    let level = text.chars().take_while(|c| *c == '#').count();
    if let (1..=4, Some(title)) = (level, text.trim_start_matches('#').strip_prefix(' ')) {
        close(out, open);
        out.push_str(&format!("<h{level}>"));
        inline(out, title);
        out.push_str(&format!("</h{level}>\n"));
        return Block::None;
    }
    if let Some(item) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
        if open != Block::List {
            close(out, open);
            out.push_str("<ul>\n");
        }
        out.push_str("<li>");
        inline(out, item);
        return Block::List;
    }
    match open {
        Block::None => out.push_str("<p>"),
        Block::Paragraph | Block::List | Block::Code => out.push(' '),
    }
    inline(out, text);
    if open == Block::None { Block::Paragraph } else { open }
}

fn close(out: &mut String, open: Block) {
    out.push_str(match open {
        Block::None => "",
        Block::Paragraph => "</p>\n",
        Block::List => "</ul>\n",
        Block::Code => "</code></pre>\n",
    });
}

/// Text with `code` and [links](/to/pages).
fn inline(out: &mut String, text: &str) {
    for (i, piece) in text.split('`').enumerate() {
        if i.checked_rem(2) == Some(1) {
            out.push_str("<code>");
            escape(out, piece);
            out.push_str("</code>");
        } else {
            links(out, piece);
        }
    }
}

fn links(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((label, tail)) = after.split_once("](/") else { break };
        let Some((address, tail)) = tail.split_once(')') else { break };
        escape(out, before);
        out.push_str("<a href=\"/");
        escape(out, address);
        out.push_str("\">");
        escape(out, label);
        out.push_str("</a>");
        rest = tail;
    }
    escape(out, rest);
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn a_page_of_an_error_code_reads_well() {
        let page = "# `jobs.x`\n\nWhat\nhappened. See [the docs](/docs).\n\n- one\n- two <b>\n\n\
                    ```\na < b\n```\n";
        assert_eq!(
            html(page),
            "<h1><code>jobs.x</code></h1>\n\
             <p>What happened. See <a href=\"/docs\">the docs</a>.</p>\n\
             <ul>\n<li>one<li>two &lt;b&gt;</ul>\n\
             <pre class=\"code\"><code>a &lt; b\n</code></pre>\n"
        );
    }

    #[test]
    fn nothing_gets_through_as_markup() {
        let page = html("<script>x</script> [y](javascript:z) \"`<i>`\n[a](/\"><img>)");
        assert!(!page.contains("<script") && !page.contains("<i>") && !page.contains("<img"));
        assert!(!page.contains("href=\"javascript"));
    }
}
