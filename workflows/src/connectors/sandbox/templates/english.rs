//! English copy.

use super::Kind;
use super::layout::{Template, line, more, para};

/// What is said where the brief says nothing.
pub(super) const MESSAGE: &str = "Something new that we want to share with everyone.";

/// The templates of a channel and kind.
pub(super) fn templates(channel: &str, kind: Kind) -> &'static [Template] {
    match (kind, channel) {
        (Kind::Image, _) => IMAGE,
        (Kind::Video, _) => VIDEO,
        (Kind::Text, "instagram") => INSTAGRAM,
        (Kind::Text, "facebook") => FACEBOOK,
        (Kind::Text, "tiktok") => TIKTOK,
        (Kind::Text, "google") => GOOGLE,
        (Kind::Text, "linkedin") => LINKEDIN,
        (Kind::Text, "email") => EMAIL,
        (Kind::Text, "sms") => SMS,
        (Kind::Text, "whatsapp") => WHATSAPP,
        (Kind::Text, "influencers") => INFLUENCERS,
        (Kind::Text, _) => WEB,
    }
}

const INSTAGRAM: &[Template] = &[
    &[
        para(0, "✨ {title} is here ✨"),
        para(0, "{message}"),
        para(3, "{description}"),
        para(2, "Made for {audience}. 💛"),
        para(1, "👉 See more at {url}"),
        para(1, "{noUrl}👉 See more: the link is in our bio."),
        para(2, "{tag} #NewIn #MadeToShare #MadeWithLove"),
    ],
    &[
        para(0, "Have you seen this yet? 👀 {title}"),
        para(0, "{message}"),
        para(2, "This one is for {audience}."),
        para(3, "{description}"),
        para(1, "🔗 Take a look: {url}"),
        para(1, "{noUrl}🔗 Take a look: the link is in our bio."),
        para(2, "{tag} #Discover #Moments #NewCollection"),
    ],
    &[
        para(0, "{message} 🌟"),
        para(0, "That is {title}: live it, love it, share it."),
        para(3, "{description}"),
        para(2, "For {audience}."),
        para(1, "Head over to {url} and find out more."),
        para(1, "{noUrl}Tell us in the comments who you would share it with. 💬"),
        para(2, "{tag} #Inspiration #GoodThings"),
    ],
];

const FACEBOOK: &[Template] = &[
    &[
        para(0, "{title} is here to stay."),
        more(0, "{message}"),
        para(2, "Made for {audience}."),
        para(3, "{description}"),
        para(1, "Get the details: {url}"),
        para(1, "{noUrl}Send us a message and we will tell you more."),
    ],
    &[
        para(0, "We have something to tell you 🙌"),
        more(0, "{message}"),
        para(1, "It is called {title}, and it is for {audience}."),
        para(1, "Have a look: {url}"),
        para(2, "{noUrl}Tell us what you think in the comments."),
    ],
];

const TIKTOK: &[Template] = &[
    &[
        para(0, "Wait for the end 👀"),
        more(0, "{title}: {message}"),
        more(1, "{tag}"),
        more(2, "#ForYou #Trending"),
    ],
    &[para(0, "This is {title} 🔥"), more(0, "{message}"), more(1, "{tag}"), more(2, "#NewIn #ForYou")],
    &[
        para(0, "POV: you just found {title} 😍"),
        more(0, "{message}"),
        more(1, "{tag}"),
        more(2, "#MustSee #ForYou"),
    ],
];

const GOOGLE: &[Template] = &[
    &[para(0, "{title}:"), more(0, "{message}"), more(1, "See what is new.")],
    &[para(0, "{message}"), more(0, "This is {title}."), more(1, "Find out more.")],
];

const LINKEDIN: &[Template] = &[
    &[
        para(0, "Introducing {title}."),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "An initiative designed for {audience}."),
        para(1, "Learn more: {url}"),
        para(2, "What does your team think? We look forward to your comments."),
        para(3, "{tag} #Innovation #Business"),
    ],
    &[
        para(0, "There is a simple idea behind {title}."),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "We made it for {audience}, because we know what they need."),
        para(1, "All the details are at {url}"),
        para(3, "{tag} #Marketing #Growth"),
    ],
];

const EMAIL: &[Template] = &[
    &[
        para(0, "Subject: {title} is here"),
        para(0, "Hello!"),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "We made it for {audience}, and we want you to be the first to know."),
        para(0, "See it all at {url}"),
        para(0, "{noUrl}Reply to this e-mail and we will send you the details."),
        para(1, "Warm regards,"),
        line(1, "The {title} team"),
        para(
            3,
            "You receive this e-mail because you agreed to hear from us. You can unsubscribe at any time.",
        ),
    ],
    &[
        para(0, "Subject: News worth sharing: {title}"),
        para(0, "Good to see you!"),
        para(0, "Today we present {title}. {message}"),
        para(1, "It is for {audience}."),
        para(2, "{description}"),
        para(0, "Come in and find out more: {url}"),
        para(0, "{noUrl}Write to us: we answer every e-mail."),
        para(1, "With our best wishes,"),
        line(1, "The {title} team"),
        para(
            3,
            "You receive this e-mail because you agreed to hear from us. You can unsubscribe at any time.",
        ),
    ],
];

const SMS: &[Template] = &[
    &[para(0, "{title}:"), more(0, "{message}"), more(1, "See more:"), more(0, "{shortUrl}")],
    &[para(0, "Hello! {title} is here."), more(0, "{message}"), more(0, "{shortUrl}")],
];

const WHATSAPP: &[Template] = &[
    &[
        para(0, "Hello! 👋 *{title}* is here."),
        para(0, "{message}"),
        para(2, "It is for {audience}."),
        para(1, "See more here: {url}"),
        para(1, "{noUrl}Reply *YES* and we will tell you more."),
        para(3, "To stop these messages, reply STOP."),
    ],
    &[
        para(0, "*{title}* 🎉"),
        line(0, "{message}"),
        para(2, "We made it for {audience}."),
        para(1, "Visit {url} or ask us anything in this chat. 💬"),
        para(1, "{noUrl}Write to us in this chat and we will help you. 💬"),
        para(3, "To stop these messages, reply STOP."),
    ],
];

const INFLUENCERS: &[Template] = &[
    &[
        para(0, "Collaboration proposal: {title}"),
        para(0, "The idea: {message}"),
        para(2, "The background: {description}"),
        para(1, "The audience: {audience}."),
        para(1, "What we ask for:"),
        line(1, "• One post and three stories, in your own voice."),
        line(1, "• A real experience with the product, and no script."),
        line(2, "• Use {tag} and mark the post as #ad."),
        para(1, "Link for your bio: {url}"),
        para(3, "We approve the text before you publish it, and answer within one working day."),
    ],
    &[
        para(0, "Hello! We would love to hear the story of {title} in your voice."),
        para(0, "Main message: {message}"),
        para(1, "Who we talk to: {audience}."),
        para(2, "To know it better: {description}"),
        para(1, "Format: a short video and two stories. The rest is up to you."),
        line(2, "Tags: {tag} #ad"),
        line(1, "Link: {url}"),
        para(3, "Please avoid comparisons with other brands, and promises that we cannot keep."),
    ],
];

const WEB: &[Template] = &[
    &[
        para(0, "# {title}"),
        para(0, "**{message}**"),
        para(2, "{description}"),
        para(1, "## Who it is for"),
        para(1, "We made it for {audience}: with care for the details, and easy to use."),
        para(2, "## How to start"),
        para(2, "1. See what is included."),
        line(2, "2. Tell us what you need in the form."),
        line(2, "3. A person answers within one working day."),
        para(1, "[Start now]({url})"),
    ],
    &[
        para(0, "# {title}: what you have been waiting for"),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "It is made for {audience}."),
        para(2, "## Why choose it"),
        line(2, "- Clear and simple from the first day."),
        line(2, "- With real people who answer."),
        line(2, "- No small print."),
        para(1, "[Find out more]({url})"),
        para(3, "Join us: the form takes less than a minute."),
    ],
];

const IMAGE: &[Template] = &[
    &[
        para(0, "Advertising photograph ({ratio}) for {title}."),
        more(1, "Central idea: {message}"),
        more(2, "People who represent {audience}, in an authentic everyday scene."),
        more(4, "Background: {description}"),
        more(3, "Natural morning light, vivid colours, a clean backdrop and free space for the title."),
        more(2, "No text, no watermarks."),
    ],
    &[
        para(0, "Modern illustration ({ratio}) for {title}."),
        more(1, "It should convey: {message}"),
        more(2, "The audience is {audience}."),
        more(4, "Background: {description}"),
        more(3, "Soft shapes, a warm palette of three colours, the product in the centre."),
        more(2, "No text, no logos of other brands."),
    ],
];

const VIDEO: &[Template] = &[
    &[
        para(0, "Video storyboard ({ratio}, 15 s) for {title}."),
        line(0, "Scene 1 (0–4 s): on the screen and spoken: “{message}”"),
        line(1, "Scene 2 (4–9 s): a close-up in motion; the name {title} appears."),
        line(2, "Scene 3 (9–12 s): it is enjoyed by the people it is for: {audience}."),
        line(2, "Close (12–15 s): the logo and a voice: “Find out more at {url}”."),
        line(2, "{noUrl}Close (12–15 s): the logo and a voice: “Find out more today”."),
        line(3, "Cheerful music, subtitles in every scene."),
    ],
    &[
        para(0, "Video storyboard ({ratio}, 20 s) for {title}."),
        line(0, "Scene 1 (0–6 s): somebody looks into the camera and says: “{message}”"),
        line(1, "Scene 2 (6–11 s): the product in use, in an everyday place."),
        line(2, "Scene 3 (11–16 s): real reactions of the people it is for: {audience}."),
        line(2, "Close (16–20 s): the product held in a hand, and the link {url}"),
        line(2, "{noUrl}Close (16–20 s): the product held in a hand, and the logo."),
        line(3, "Handheld camera, natural light, subtitles in every scene."),
    ],
];
