"""The words by which mail clients mark quotes and signatures, by language."""

from __future__ import annotations

import re

_I = re.IGNORECASE


def _any_of(*phrases: str) -> str:
    return "(?:" + "|".join(phrases) + ")"


# English, French, German, Italian, Spanish, Portuguese, Dutch, Polish; then neighbours that cost nothing.
ATTRIBUTION_START = re.compile(
    r"\s*[>*_ ]*(?:On|Le|Am|Il(?: giorno)?|El|En|Em|A|Às|No dia|Op|W dniu|Dnia|Wiadomość napisana przez|Den|"
    r"(?:[Ll]une|[Mm]arte|[Mm]ercole|[Gg]iove|[Vv]ener)dì|[Ss]abato|[Dd]omenica|På|Dne|Vào"
    r"|In (?:a )?(?:message|article)"
    r"|[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un|(?:pon|wt|śr|czw|pt|sob|niedz)\.|\d{1,4}[-./]\d|\d{1,2} \w{3}"
    r"|\d{4}年)(?=[\s,.\d年/])",
)
ATTRIBUTION_END = re.compile(
    _any_of(
        r"wrote",
        r"writes",
        r"sent(?: the following)?",
        r"a [ée]crit",
        r"schrieb",
        r"ha scritto",
        r"escribi[óo]",
        r"escreveu",
        r"schreef",
        r"napisał[(/]a\)?",
        r"het volgende geschreven",
        r"folgendes geschrieben",
        r"napisała?",
        r"pisze",
        r"napsala?(?:\(a\))?",
        r"skrev",
        r"kirjoitti",
        r"写道",
        r"пишет|написала?",
    )
    + r"(?:\s*[:：]|\s+[^:\n]{1,120}:)[\s*_]*$",
    _I,
)
# The moment stands behind the verb: "Anna Muster <anna@example.org> schrieb am Mo., 23. Nov. 2026, 09:12:"
_VERB_AND_MOMENT = (
    r"(?:escreveu (?:\(|no dia|em)|schrieb am|schreef op|wrote on|a écrit le|ha scritto il|escribió el"
    r"|napisał(?:\(a\)|a)? w dniu)"
)
NAMED_START = re.compile(r"\s*\S[^\n:]{0,120}\s" + _VERB_AND_MOMENT + r"[^\n]{0,80}$")
LATE_MOMENT = re.compile(
    r"\s*\S.{0,200}\s(?:" + _VERB_AND_MOMENT + r".{5,60}|przez [^<>\n]{1,80}<\S{1,100}> w dniu .{5,60}):[\s*_]*$"
)
# "schrieb Anna Muster <anna@example.org>:" ends with the name; "Anna wrote:" with the verb.
NAMED_ATTRIBUTION = re.compile(
    r"\S.{0,120}\s(?:wrote|writes|schrieb|a [ée]crit|ha scritto|escribió|escreveu|schreef):\s*$", _I
)
# Gmail in some languages says no verb: "2026-11-23 9:12 GMT+01:00 Anna Muster <anna@example.org>:"
BARE_ADDRESS = re.compile(r"[^\s<>@,;:]{1,64}@[^\s<>@,;:]{1,100}\.\w")
DATE_AND_TIME = re.compile(r"\b(?:19|20)\d{2}\b.{0,12}\d{1,2}[:.h]\d{2}|\d{1,2}[:.h]\d{2}.{0,30}\b(?:19|20)\d{2}\b")
ADDRESS = re.compile(r"[<\[(][^<>\[\]()\s]{1,100}@[^<>\[\]()\s]{1,100}[>\])]")
_ADDRESS_AND_COLON = re.compile(r"<[^<>\s]{1,100}@[^<>\s]{1,100}>\s*:\s*$")
ADDRESS_AND_WROTE = re.compile(r"@[^<>\s]{1,100}>\s+wrote\s*$")  # Zoho leaves the colon out
_DATED_ADDRESS = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}.{0,120}<[^<>\s]{1,100}@[^<>\s]{1,100}>\s*:?\s*$")
MOMENT = re.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d{2}\b|@|\d{1,2}/\d{1,2}/\d{2}")

ORIGINAL_MESSAGE = re.compile(
    # what help desks put above the history that they send along
    r"[\s>#*=~_-]*(?:please )?(?:type your |write your |enter your )?reply above this line\b[^\n]{0,60}$|"
    # GroupWise: ">>> Anna Muster <anna@example.org> 11/23/2026 9:12 AM >>>"
    r"\s*>>> ?\S[^\n]{5,160}\d ?(?:[AP]M)? ?>>>\s*$|"
    # "---- Anna Muster wrote ----", "------On 23/11/2026 09:12, Anna Muster wrote-----"
    r"[\s>*]*-{3,}\s?\S[^\n]{2,120} "
    r"(?:wrote|schrieb|a [ée]crit|ha scritto|escribió|escreveu|schreef|napisał)\s?-{3,}\s*$|"
    # "-----Antwort Nachricht-----", and not a forward
    r"[\s>*]*-{4,}\s?(?!.*(?:forward|weitergel|transf|réexp|inoltr|reenv|encaminh|doorgest|przekaz|fwd))(?:\w+ ){0,2}"
    r"(?:message|nachricht|messaggio|mensaje|mensagem|bericht|wiadomość|meddelelse|meddelande|besked)\s?-{4,}\s*$|"
    r"[\s>*]*[-_]{2,}\s*"
    + _any_of(
        r"original (?:message|appointment|e-?mail)",
        r"reply message",
        r"message d['’]origine",
        r"message original",
        r"(?:urspr(?:ü|ue)ngliche |original-?)(?:nachricht|e-?mail)",
        r"messaggio originale",
        r"mensaje original",
        r"mensagem original",
        r"(?:oorspronkelijke?|origineel) bericht",
        r"(?:oryginalna wiadomość|wiadomość oryginalna|oryginał)",
        r"ursprungligt meddelande",
        r"oprindelig meddelelse",
        r"původní (?:zpráva|e-mail)",
    )
    + r"\s*[-_]{2,}[\s*]*$",
    _I,
)
# Apple Mail forwards as a quote; what somebody sends us on purpose stays visible.
FORWARD_ABOVE_QUOTE = re.compile(
    r"\s*"
    + _any_of(
        r"begin forwarded message",
        r"début du message (?:réexpédié|transféré)",
        r"anfang der weitergeleiteten (?:nachricht|e-?mail)",
        r"inizio (?:del )?messaggio inoltrato",
        r"inicio del mensaje reenviado",
        r"início da mensagem (?:re)?encaminhada",
        r"begin doorgestuurd bericht",
        r"początek przekazywanej wiadomości",
    )
    + r"\s*:\s*$",
    _I,
)
HEADER_KEYS = {
    "from": "from de von da od van från fra",
    "sent": "sent date envoyé gesendet datum inviato data enviado enviada fecha verzonden "
    "wysłano wysłane skickat sendt",
    "to": "to à an a para aan do till til",
    "subject": "subject objet betreff oggetto asunto assunto onderwerp temat ämne emne",
    "cc": "cc bcc copie kopie kopia dw importance reply-to organization attachments",
}
_KEY_OF = {word: key for key, words in HEADER_KEYS.items() for word in words.split()}
_KEY_OF |= {"enviado el": "sent", "envoyé le": "sent", "data de envio": "sent", "gesendet am": "sent"}
_HEADER_LINE = re.compile(r"[\s>]*\*{0,2}([A-Za-zÀ-ž][A-Za-zÀ-ž -]{0,13}?)\s?\*{0,2}:\*{0,2}(?:\s|$)")

SIGNATURE_MARK = re.compile(r"\s?(?:--|—|––) ?$")
LIST_RULE = re.compile(r"[_-]{20,}\s*$")
LIST_FOOTER = re.compile(
    r"mailing list|unsubscribe|mailman|listinfo|listserv|désinscri|abmelden|cancella|darse de baja", _I
)
MOBILE = re.compile(
    r"\s*\W{0,2}"
    + _any_of(
        r"sent from (?:my|a|an|the) \w[\w'’ -]{1,45}",
        r"sent (?:from|via|with|using) "
        r"(?:outlook|yahoo|mail|gmail|samsung|proton ?mail|mailspring|airmail|spark|bluemail|k-9)\b[^.!?]{0,60}",
        r"get outlook for \w+",
        r"sent from \w+ for (?:ios|android|windows|mac)",
        r"envoy[ée] (?:de|depuis|à partir de|avec) (?:mon|ma|une?|la|le|outlook|yahoo|l['’]application)\b[^.!?]{0,60}",
        r"t[ée]l[ée]charge[rz] outlook pour \w+",
        r"von mein(?:em|er) [^.!?]{2,40} gesendet",
        r"gesendet (?:von|mit|aus|vom|über) [^.!?]{2,60}",
        r"(?:diese nachricht wurde )?von meinem? \w+ aus gesendet",
        r"(?:holen sie sich|laden sie) outlook für \w+[^.!?]{0,20}",
        r"(?:inviat[oa]|scaricato) (?:da|dal|dalla|con) [^.!?]{2,60}",
        r"(?:scarica|ottieni) outlook per \w+",
        r"enviad[oa] (?:desde|do|da|pelo|a partir d[oe]|con) [^.!?]{2,60}",
        r"obt(?:ener|enha|ém) (?:o )?outlook (?:para|pra) \w+",
        r"(?:verstuurd|verzonden) (?:vanaf|met|via|vanuit) [^.!?]{2,60}",
        r"outlook voor \w+ downloaden",
        r"wysłan[eo] (?:z|przy użyciu|za pomocą) [^.!?]{2,60}",
        r"pobierz program outlook dla [^.!?]{2,40}",
        r"(?:skickat|sendt) fr(?:å|a) (?:n )?min \w+",
    )
    + r"(?: ?<\s?https?://\S{1,200}>?| ?\(https?://\S{1,200}\))?[.\s]*$",
    _I,
)
# "Get Outlook for iOS", "Outlook für Android<https://aka.ms/x> beziehen": the words around differ by language.
OUTLOOK_APP = re.compile(
    r"\s*[^\W\d][^\n.!?:<]{0,17}?\boutlook (?:for|für|pour|per|para|voor|dla|til|för) (?:ios|android)"
    r"(?: ?[<(]https?://[^\s>)]{1,200}[>)])?[^\n.!?:<]{0,14}[.\s]*$|\s*outlook (?:für|voor) (?:ios|android)"
    r"(?: ?[<(]https?://[^\s>)]{1,200}[>)])?[^\n.!?:<]{0,14}[.\s]*$",
    _I,
)
MAX_MOBILE_CHARACTERS = 220
CLOSING = re.compile(
    r"\s*"
    + _any_of(
        r"(?:(?:with )?(?:best|kind|kindest|warm|warmest|many)(?: (?:and )?\w+)? )?regards",
        r"all the best",
        r"best wishes",
        r"(?:yours )?(?:sincerely|faithfully)(?: yours)?",
        r"(?:(?:bien|très|trop) )?(?:cordialement|amicalement|sincèrement)(?: vôtre)?",
        r"(?:meilleures|sincères) salutations",
        r"bien à (?:vous|toi)",
        r"mit (?:freundlichen|besten|herzlichen|lieben|vielen) gr(?:ü|ue)(?:ß|ss)en",
        r"(?:(?:freundliche|beste|viele|liebe|herzliche|schöne) )?gr(?:ü|ue)(?:ß|ss)e?(?: aus [\w ]{2,20})?",
        r"mfg|vg|lg|mvg|br|kr|rgds|kind rgds|pozdr\.?|vr\.? ?gr\.?|slds\.?|cdt|abs\.?",
        r"(?:(?:cordiali|distinti|cari) saluti|(?:un )?(?:cordiale|caro) saluto)",
        r"cordialmente",
        r"(?:un cordial |saludos |muchos )?saludos?(?: cordiales)?",
        r"un saludo",
        r"atentamente|atenciosamente",
        r"(?:com os )?(?:melhores|meus) cumprimentos|cumprimentos",
        r"met (?:vriendelijke|hartelijke) groet(?:en)?",
        r"(?:(?:vriendelijke|hartelijke|veel) )?groet(?:en|jes)?",
        r"z (?:poważaniem|wyrazami szacunku)|pozdrawiam(?: serdecznie)?|pozdrowienia",
        # an abbreviation and the name on one line
        r"(?:mfg|vg|lg|mvg|gr\.|grtz|br|kr|rgds|pozdr\.?|slds\.?|cdt|abs\.?|cheers),? [^\W\d_][^\W\d_.'’-]{1,20}"
        r"(?: [^\W\d_]{1,20}\.?)?",
        # and whatever else stands around the word: "i. A.", two languages, "from sunny Bonn"
        r"(?=[^\n]{2,60}$)(?:[\w.,/'’|-]+ ){0,5}(?:regards|greetings|salut[oi]|salutations|gr(?:ü|ue)(?:ß|ss)en?"
        r"|gruß|gruss|cordialement|cumprimentos|abra[cç]os?|abbraccio|abrazos?|saludos?|groet(?:en|jes)?"
        r"|pozdrawiam|pozdrowienia(?:mi)?)"
        r"(?:[ ,/][\w.,/'’|-]+){0,4}",
    )
    + r"[\s,.!]*$",
    _I,
)
# Words that end a letter only with a name or an address below them.
WEAK_CLOSING = re.compile(
    r"\s*"
    + _any_of(
        r"(?:(?:many|with) )?thanks(?: again| a lot| so much| in advance| and best| (?:and|&) regards)?|thx",
        r"thank you(?: very much| so much| in advance| for your help)?",
        r"cheers|best|all best|yours|warmly|respectfully|take care",
        r"have a (?:nice|good|great|lovely) (?:day|evening|weekend)",
        r"merci(?: beaucoup| encore| bien)?(?: (?:d['’]|par )avance)?|cdlt|bien à (?:vous|toi)|[àa] bientôt|amitiés",
        r"(?:bonne|belle) (?:journée|soirée|fin de journée|semaine)|bon (?:week-end|courage)",
        r"(?:(?:vielen|besten|herzlichen) dank|danke(?: schön| dir| ihnen)?)"
        r"(?: (?:im voraus|und (?:viele )?gr[uü](?:ß|ss)e?))?",
        r"schönen (?:tag|abend|feierabend)(?: noch)?|schönes wochenende|bis (?:bald|dann|morgen)",
        r"herzlichst|ciao|servus",
        r"grazie(?: mille| ancora| infinite)?(?: (?:in anticipo|e (?:saluti|buona giornata|buon lavoro)))?",
        r"buona (?:giornata|serata)|buon (?:lavoro|weekend)|a presto",
        r"(?:muchas |mil )?gracias(?: (?:de antemano|por todo|y saludos))?",
        r"(?:que tenga )?(?:un )?buen día|hasta (?:pronto|luego)",
        r"(?:muito )?obrigad[oa](?: desde já| pela ajuda)?|att\.?|até breve|bom (?:trabalho|fim de semana)|bjs",
        r"(?:alvast |heel erg )?bedankt(?: alvast)?|(?:hartelijk )?dank(?: (?:je|u) ?wel)?",
        r"fijn(?:e dag|e avond| weekend)|tot snel",
        r"(?:z góry )?dziękuję(?: (?:bardzo|z góry|i pozdrawiam))?|dzięki|miłego dnia|do usłyszenia",
    )
    + r"[\s,.!]*$",
    _I,
)
CONTACT = re.compile(
    r"@|https?://|www\.|\+\d|\btel\b|phone|mobile|fax|\(\d|university|universit|institut|professor|ph\.?d\b| \| ", _I
)
# A short line that ends with a comma and a name below it end a letter in every language.
SHORT_CLOSING = re.compile(r"\s*[^\W\d_][\w'’. -]{1,40},\s*$")
NAME_LINE = re.compile(
    r"\s*(?:(?:Dr|Prof|Ing|Mag|Mr|Ms|Mrs|Mme|Herr|Frau)\.?\s){0,3}[A-ZÀ-Ž][\w.'’-]{0,25}"
    r"(?: [A-Za-zÀ-ž][\w.'’-]{0,25}){0,3}\s*$"
)
# Paragraphs that lawyers put below what somebody wrote.
DISCLAIMER = re.compile(
    r"[\s*]*"
    + _any_of(
        r"(?:legal |confidentiality )?(?:disclaimer|notice)\b",
        r"aviso (?:legal|de confidencialidad\w*)",
        r"(?:avviso di riservatezza|hinweis zur vertraulichkeit|avertissement|klauzula)",
        r"(?:this|the (?:information|contents?) (?:in|of) this) (?:e-?mail|message|communication)\b.{0,120}"
        r"(?:confidential|intended|privileged)",
        r"diese (?:e-?mail|nachricht)\b.{0,120}vertraulich",
        r"(?:ce (?:message|courriel|mail)|cet e-?mail)\b.{0,120}confidentiel",
        r"(?:questo messaggio|questa e-?mail|le informazioni)\b.{0,120}(?:riservat|confidenzial)",
        r"(?:este (?:mensaje|correo)|esta mensagem|este e-?mail)\b.{0,120}confidencia",
        r"(?:dit (?:bericht|e-?mail\w*)|deze e-?mail)\b.{0,120}(?:vertrouwelijk|uitsluitend)",
        r"(?:ta wiadomość|niniejsza wiadomość|treść tej wiadomości)\b.{0,120}(?:poufn|przeznaczon)",
    ),
    _I,
)
MARKDOWN_LINK = re.compile(r"\[([^\[\]\n]{1,60})\]\([^()\s]{1,200}\)")
_LONE_NAME = re.compile(r"[A-ZÀ-Ž]\.?\s*$|[A-ZÀ-Ž][a-zà-ž’'-]{1,20}(?: [A-ZÀ-Ž][a-zà-ž’'-]{0,20}\.?){0,2}\s*$")
SENTENCE_END = re.compile(
    r"[.!?)]\s*$|\b(?:thanks|thank you|merci|danke|grazie|gracias|obrigad[oa]|bedankt|dzięki)\s*$", _I
)
POSTSCRIPT = re.compile(r"\s*(?:p\.?\s?s\.?|n\.?b\.?)[:\s]", _I)
DASHED_NAME = re.compile(r"[-–—][A-ZÀ-Ž][\w.'’-]{0,30}(?: [A-ZÀ-Ž][\w.'’-]{0,30}){0,3}\s*$")

CODE = re.compile(
    r"\s*(?:#!|#SBATCH|#PBS|#BSUB|\$ |[%$]\w|export |module |srun|sbatch|mpirun|import "
    r"|from \w[\w.]* import |def |class |return\b"
    r"|if |for |while |do$|done$|fi$|echo |cd |source |python3? |torchrun |Traceback|File \""
    r"|slurmstepd|\[\d|\d{4}-\d\d-\d\d[ T]"
    r"|\w+Error\b|(?:INFO|WARN|WARNING|ERROR|DEBUG)\b|[\w.-]+@[\w.-]+:\S*[$#]|\w+=\S|\w[\w.]*\(.*\)\s*$|[{}\[\]]|</?\w)"
    r"|.*(?:<-|;\s*$|\\\s*$|\|\||&&|2>&1|\{\s*$|==|\+=|->)",
)


def is_dated_address(text: str) -> bool:
    """A date and, at the end, an address in angle brackets with a colon; after an ISO date also without one."""
    if _DATED_ADDRESS.search(text):
        return True
    return _ADDRESS_AND_COLON.search(text) is not None and DATE_AND_TIME.search(text) is not None


def is_lone_name(line: str) -> bool:
    """Up to three words that begin with a capital letter, or one initial."""
    return _LONE_NAME.match(line) is not None and all(word[0].isupper() for word in line.split())


def names_of(person: str) -> frozenset[str]:
    """Words of a name, or of the part before the @ of an address."""
    name = person.strip().partition("@")[0]
    return (
        frozenset(word for word in re.split(r"[\W_\d]+", name.casefold()) if word) if len(name) <= 60 else frozenset()
    )


def header_key(line: str) -> str | None:
    """`from`, `sent`, `to`, `subject` or `cc` for a line like `Gesendet: ...`; None for another line."""
    if ":" not in line[:24]:
        return None
    found = _HEADER_LINE.match(line)
    return _KEY_OF.get(found[1].strip().lower()) if found else None
