//! Spanish copy. People are addressed as `vos` or as `tú`, as their country does.

use super::Kind;
use super::layout::{Template, line, more, para};

/// What is said where the brief says nothing.
pub(super) const MESSAGE: &str = "Algo nuevo que queremos compartir con todo el mundo.";

/// The words that differ between `vos` and `tú`: name, vos, tú.
pub(super) const VERBS: [(&str, &str, &str); 13] = [
    ("discover", "descubrí", "descubre"),
    ("Discover", "Descubrí", "Descubre"),
    ("Know", "Conocé", "Conoce"),
    ("Enter", "Entrá", "Entra"),
    ("Look", "Mirá", "Mira"),
    ("Join", "Sumate", "Súmate"),
    ("Tell", "Contanos", "Cuéntanos"),
    ("Write", "Escribinos", "Escríbenos"),
    ("Reply", "Respondé", "Responde"),
    ("Wait", "Esperá", "Espera"),
    ("found", "acabás", "acabas"),
    ("need", "necesitás", "necesitas"),
    ("you", "vos", "ti"),
];

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
        para(0, "✨ {title} ya está aquí ✨"),
        para(0, "{message}"),
        para(3, "{description}"),
        para(2, "Pensado para {audience}. 💛"),
        para(1, "👉 {Discover} más en {url}"),
        para(1, "{noUrl}👉 {Discover} más en el enlace de la bio."),
        para(2, "{tag} #Novedades #ParaCompartir #HechoConAmor"),
    ],
    &[
        para(0, "¿Ya viste esto? 👀 {title}"),
        para(0, "{message}"),
        para(2, "Hecho para {audience}, y seguro que también para {you}."),
        para(3, "{description}"),
        para(1, "🔗 {Look} todo en {url}"),
        para(1, "{noUrl}🔗 {Look} todo en el enlace de la bio."),
        para(2, "{tag} #Descubrir #Momentos #NuevaColección"),
    ],
    &[
        para(0, "{message} 🌟"),
        para(0, "Así es {title}: para vivirlo y compartirlo."),
        para(3, "{description}"),
        para(2, "Para {audience}."),
        para(1, "{Enter} a {url} y {discover} más."),
        para(1, "{noUrl}{Tell} en los comentarios con quién lo compartirías. 💬"),
        para(2, "{tag} #Inspiración #ParaDisfrutar"),
    ],
];

const FACEBOOK: &[Template] = &[
    &[
        para(0, "{title} llegó para quedarse."),
        more(0, "{message}"),
        para(2, "Pensado para {audience}."),
        para(3, "{description}"),
        para(1, "{Know} los detalles: {url}"),
        para(1, "{noUrl}{Write} y te contamos los detalles."),
    ],
    &[
        para(0, "Tenemos algo que contarte 🙌"),
        more(0, "{message}"),
        para(1, "Se llama {title} y es para {audience}."),
        para(1, "{Enter} aquí: {url}"),
        para(2, "{noUrl}{Tell} qué te parece en los comentarios."),
    ],
];

const TIKTOK: &[Template] = &[
    &[
        para(0, "{Wait} a ver el final 👀"),
        more(0, "{title}: {message}"),
        more(1, "{tag}"),
        more(2, "#ParaTi #Tendencia"),
    ],
    &[para(0, "Esto es {title} 🔥"), more(0, "{message}"), more(1, "{tag}"), more(2, "#Novedades #ParaTi")],
    &[
        para(0, "POV: {found} de conocer {title} 😍"),
        more(0, "{message}"),
        more(1, "{tag}"),
        more(2, "#Recomendado #ParaTi"),
    ],
];

const GOOGLE: &[Template] = &[
    &[para(0, "{title}:"), more(0, "{message}"), more(1, "{Discover} más.")],
    &[para(0, "{message}"), more(0, "Así es {title}."), more(1, "{Know} más hoy.")],
];

const LINKEDIN: &[Template] = &[
    &[
        para(0, "Presentamos {title}."),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "Una iniciativa pensada para {audience}."),
        para(1, "Más información: {url}"),
        para(2, "¿Qué opina su equipo? Los comentarios están abiertos."),
        para(3, "{tag} #Innovación #Negocios"),
    ],
    &[
        para(0, "Detrás de {title} hay una idea sencilla."),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "La dirigimos a {audience}, porque conocemos sus necesidades."),
        para(1, "Los detalles están en {url}"),
        para(3, "{tag} #Marketing #Crecimiento"),
    ],
];

const EMAIL: &[Template] = &[
    &[
        para(0, "Asunto: {title} ya está aquí"),
        para(0, "¡Hola!"),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "Lo preparamos para {audience}, y queremos que llegue a {you} antes que a nadie."),
        para(0, "{Discover} todo en {url}"),
        para(0, "{noUrl}{Reply} a este correo y te enviamos los detalles."),
        para(1, "Un abrazo,"),
        line(1, "El equipo de {title}"),
        para(
            3,
            "Este correo llega porque aceptaste nuestras comunicaciones. La baja es posible en cualquier momento.",
        ),
    ],
    &[
        para(0, "Asunto: Una noticia para compartir: {title}"),
        para(0, "¡Qué gusto saludarte!"),
        para(0, "Hoy presentamos {title}. {message}"),
        para(1, "Es para {audience}."),
        para(2, "{description}"),
        para(0, "{Enter} y {discover} más: {url}"),
        para(0, "{noUrl}{Write} con toda confianza: respondemos todos los correos."),
        para(1, "Con cariño,"),
        line(1, "El equipo de {title}"),
        para(
            3,
            "Este correo llega porque aceptaste nuestras comunicaciones. La baja es posible en cualquier momento.",
        ),
    ],
];

const SMS: &[Template] = &[
    &[para(0, "{title}:"), more(0, "{message}"), more(1, "{Look} más:"), more(0, "{shortUrl}")],
    &[para(0, "¡Hola! {title} llegó."), more(0, "{message}"), more(0, "{shortUrl}")],
];

const WHATSAPP: &[Template] = &[
    &[
        para(0, "¡Hola! 👋 Llegó *{title}*."),
        para(0, "{message}"),
        para(2, "Es para {audience}."),
        para(1, "{Look} más aquí: {url}"),
        para(1, "{noUrl}{Reply} *QUIERO* y te contamos más."),
        para(3, "{Reply} BAJA para no recibir más mensajes."),
    ],
    &[
        para(0, "*{title}* 🎉"),
        line(0, "{message}"),
        para(2, "Lo pensamos para {audience}."),
        para(1, "{Enter} en {url} o {discover} más por este chat. 💬"),
        para(1, "{noUrl}{Write} por este chat y lo vemos juntos. 💬"),
        para(3, "{Reply} BAJA para no recibir más mensajes."),
    ],
];

const INFLUENCERS: &[Template] = &[
    &[
        para(0, "Propuesta de colaboración: {title}"),
        para(0, "La idea: {message}"),
        para(2, "El contexto: {description}"),
        para(1, "El público: {audience}."),
        para(1, "Lo que pedimos:"),
        line(1, "• Una publicación y tres historias, con su propia voz."),
        line(1, "• Contar una experiencia real con el producto, sin leer un guion."),
        line(2, "• Usar {tag} y marcar la publicación como #publicidad."),
        para(1, "Enlace para la biografía: {url}"),
        para(3, "El texto se aprueba antes de publicar; respondemos en un día hábil."),
    ],
    &[
        para(0, "¡Hola! Queremos que {title} se cuente con su voz."),
        para(0, "Mensaje principal: {message}"),
        para(1, "A quién le hablamos: {audience}."),
        para(2, "Para entenderlo mejor: {description}"),
        para(1, "Formato: un video corto y dos historias. Lo demás queda a su criterio."),
        line(2, "Etiquetas: {tag} #publicidad"),
        line(1, "Enlace: {url}"),
        para(3, "Por favor, evitar comparaciones con otras marcas y promesas que no podamos cumplir."),
    ],
];

const WEB: &[Template] = &[
    &[
        para(0, "# {title}"),
        para(0, "**{message}**"),
        para(2, "{description}"),
        para(1, "## Para quién es"),
        para(1, "Lo creamos para {audience}: con atención a los detalles y una experiencia sencilla."),
        para(2, "## Cómo empezar"),
        para(2, "1. {Discover} lo que incluye."),
        line(2, "2. {Tell} qué {need} en el formulario."),
        line(2, "3. Un asesor responde en menos de un día hábil."),
        para(1, "[{Enter} ahora]({url})"),
    ],
    &[
        para(0, "# {title}: lo que estabas esperando"),
        para(0, "{message}"),
        para(2, "{description}"),
        para(1, "Está hecho para {audience}."),
        para(2, "## Por qué elegirlo"),
        line(2, "- Claro y sencillo desde el primer día."),
        line(2, "- Con personas reales que responden."),
        line(2, "- Sin letra pequeña."),
        para(1, "[{Know} más]({url})"),
        para(3, "{Join}: el formulario toma menos de un minuto."),
    ],
];

const IMAGE: &[Template] = &[
    &[
        para(0, "Fotografía publicitaria ({ratio}) para {title}."),
        more(1, "Idea central: {message}"),
        more(2, "Personas que representan a {audience}, en una escena cotidiana y auténtica."),
        more(4, "Contexto: {description}"),
        more(3, "Luz natural de mañana, colores vivos, fondo limpio y espacio libre para el título."),
        more(2, "Sin texto, sin marcas de agua."),
    ],
    &[
        para(0, "Ilustración moderna ({ratio}) para {title}."),
        more(1, "Debe transmitir: {message}"),
        more(2, "El público es {audience}."),
        more(4, "Contexto: {description}"),
        more(3, "Formas suaves, paleta cálida de tres colores, el producto en el centro."),
        more(2, "Sin texto, sin logotipos de otras marcas."),
    ],
];

const VIDEO: &[Template] = &[
    &[
        para(0, "Guion de video ({ratio}, 15 s) para {title}."),
        line(0, "Escena 1 (0–4 s): en pantalla y en voz: «{message}»"),
        line(1, "Escena 2 (4–9 s): primer plano con movimiento; aparece el nombre {title}."),
        line(2, "Escena 3 (9–12 s): lo disfrutan personas del público: {audience}."),
        line(2, "Cierre (12–15 s): logotipo y voz en off: «{Discover} más en {url}»."),
        line(2, "{noUrl}Cierre (12–15 s): logotipo y voz en off: «{Discover} más hoy»."),
        line(3, "Música alegre, subtítulos en todas las escenas."),
    ],
    &[
        para(0, "Guion de video ({ratio}, 20 s) para {title}."),
        line(0, "Escena 1 (0–6 s): una persona mira a la cámara y dice: «{message}»"),
        line(1, "Escena 2 (6–11 s): el producto en uso, en un lugar cotidiano."),
        line(2, "Escena 3 (11–16 s): reacciones reales del público: {audience}."),
        line(2, "Cierre (16–20 s): el producto en las manos y el enlace {url}"),
        line(2, "{noUrl}Cierre (16–20 s): el producto en las manos y el logotipo."),
        line(3, "Cámara en mano, luz natural, subtítulos en todas las escenas."),
    ],
];
