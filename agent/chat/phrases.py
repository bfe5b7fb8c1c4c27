"""Our own words in chat, in the languages of the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrases:
    unsure: str
    without_model: str
    ask: str
    offer: str
    told: str
    help: str
    never: str
    opened: str
    resolved: str
    leaked: str
    trouble: str
    script: str
    looking: str
    reading: str
    thanks: str
    helpful: str
    unhelpful: str
    more: str
    measure: str
    wished: str
    wished_before: str
    person: str
    undated: str
    days_old: str
    months_old: str


PHRASES = {
    "en": Phrases(
        unsure="I am not sure about this; please check it before you rely on it.",
        without_model="Put together from our guides without our language model:",
        ask="To find out, I need a little more:",
        offer="I must not answer this on my own. A support engineer can: open a ticket and the answer comes here.",
        told="Our guides say no more about this than what I wrote above. A support engineer can look at it.",
        help="I answer questions about AI on EuroHPC systems: ask me one, or paste a job script or a log.",
        never="I do not answer in this channel. Write to me directly and I will.",
        opened="Ticket {number} is open. A support engineer answers here; what you add in this thread joins it.",
        resolved="Ticket {number} is resolved. Write here if something is still open.",
        leaked="Your message holds what looks like a secret ({kinds}). It is not kept here, but others may have seen "
        "it: delete the message, then revoke or change the secret where it was issued.",
        trouble="Something went wrong on our side, so there is no answer. A support engineer can help.",
        script="The corrected script is attached; please read it before you submit it.",
        looking="is looking in the guides",
        reading="is reading passages of the guides ({n})",
        thanks="Thank you.",
        helpful="Helpful",
        unhelpful="Not helpful",
        more="More detail",
        measure="Ask for a measurement",
        wished="Asked for: “{words}”. Nothing starts by this; engineers write the specification and approve each "
        "run. Ask a person if you want to hear of the result.",
        wished_before="This measurement was asked for before; nothing was added.",
        person="Ask a person",
        undated="no date",
        days_old="{n} days old",
        months_old="{n} months old",
    ),
    "fr": Phrases(
        unsure="Je n'en suis pas sûr : à vérifier avant de s'y fier.",
        without_model="Composé à partir de nos guides, sans notre modèle de langage :",
        ask="Il me faudrait encore :",
        offer="Je ne dois pas répondre seul à cela. Une personne du support le peut : ouvrez un ticket, la réponse "
        "viendra ici.",
        told="Nos guides n'en disent pas plus que ci-dessus. Une personne du support peut s'en occuper.",
        help="Je réponds sur l'IA sur les systèmes EuroHPC : posez une question, ou collez un script ou un log.",
        never="Je ne réponds pas dans ce canal. Écrivez-moi directement.",
        opened="Le ticket {number} est ouvert. Une personne du support répond ici ; vos ajouts ici le rejoignent.",
        resolved="Le ticket {number} est résolu. Écrivez ici s'il reste quelque chose.",
        leaked="Votre message contient ce qui ressemble à un secret ({kinds}). Il n'est pas gardé ici, mais d'autres "
        "ont pu le voir : supprimez le message, puis révoquez ou changez le secret là où il a été émis.",
        trouble="Un problème de notre côté : il n'y a pas de réponse. Une personne du support peut aider.",
        script="Le script corrigé est joint ; à relire avant de le soumettre.",
        looking="cherche dans les guides",
        reading="lit des passages des guides ({n})",
        thanks="Merci.",
        helpful="Utile",
        unhelpful="Pas utile",
        more="Plus de détails",
        measure="Demander une mesure",
        wished="Demandé : « {words} ». Rien ne démarre ainsi ; des ingénieurs écrivent la spécification et "
        "approuvent chaque exécution. Demandez à une personne si vous voulez connaître le résultat.",
        wished_before="Cette mesure a déjà été demandée ; rien n'a été ajouté.",
        person="Demander à une personne",
        undated="sans date",
        days_old="il y a {n} jours",
        months_old="il y a {n} mois",
    ),
    "de": Phrases(
        unsure="Ich bin mir nicht sicher; bitte vor Gebrauch prüfen.",
        without_model="Aus unseren Anleitungen zusammengestellt, ohne unser Sprachmodell:",
        ask="Dazu brauche ich noch:",
        offer="Das darf ich nicht allein beantworten. Eine Person aus dem Support kann es: Öffnen Sie ein Ticket, die "
        "Antwort kommt hierher.",
        told="Mehr als oben sagen unsere Anleitungen dazu nicht. Eine Person aus dem Support kann es sich ansehen.",
        help="Ich beantworte Fragen zu KI auf EuroHPC-Systemen: Stellen Sie eine, oder fügen Sie ein Jobskript oder "
        "Log ein.",
        never="In diesem Kanal antworte ich nicht. Schreiben Sie mir direkt.",
        opened="Ticket {number} ist offen. Eine Person aus dem Support antwortet hier; was Sie ergänzen, gehört dazu.",
        resolved="Ticket {number} ist gelöst. Schreiben Sie hier, falls etwas offen ist.",
        leaked="Ihre Nachricht enthält etwas, das wie ein Geheimnis aussieht ({kinds}). Hier wird es nicht aufbewahrt, "
        "doch andere können es gesehen haben: Löschen Sie die Nachricht und widerrufen oder ändern Sie es dort, wo es "
        "ausgestellt wurde.",
        trouble="Bei uns ist etwas schiefgegangen, es gibt keine Antwort. Eine Person aus dem Support kann helfen.",
        script="Das korrigierte Skript hängt an; bitte vor dem Absenden lesen.",
        looking="sucht in den Anleitungen",
        reading="liest Stellen der Anleitungen ({n})",
        thanks="Danke.",
        helpful="Hilfreich",
        unhelpful="Nicht hilfreich",
        more="Mehr Einzelheiten",
        measure="Messung erbitten",
        wished="Erbeten: „{words}“. Damit startet nichts; Fachleute schreiben die Spezifikation und geben jeden "
        "Lauf frei. Fragen Sie eine Person, wenn Sie vom Ergebnis hören möchten.",
        wished_before="Diese Messung wurde schon erbeten; es kam nichts hinzu.",
        person="Eine Person fragen",
        undated="ohne Datum",
        days_old="{n} Tage alt",
        months_old="{n} Monate alt",
    ),
    "it": Phrases(
        unsure="Non ne sono sicuro: da verificare prima di farci affidamento.",
        without_model="Composto dalle nostre guide, senza il nostro modello linguistico:",
        ask="Mi serve ancora:",
        offer="Non devo rispondere da solo a questo. Può farlo una persona del supporto: apra un ticket, la risposta "
        "arriva qui.",
        told="Le nostre guide non dicono più di quanto scritto sopra. Una persona del supporto può occuparsene.",
        help="Rispondo a domande sull'IA sui sistemi EuroHPC: ne faccia una, o incolli uno script o un log.",
        never="In questo canale non rispondo. Mi scriva direttamente.",
        opened="Il ticket {number} è aperto. Una persona del supporto risponde qui; ciò che aggiunge qui ne fa parte.",
        resolved="Il ticket {number} è risolto. Scriva qui se resta qualcosa.",
        leaked="Il suo messaggio contiene ciò che sembra un segreto ({kinds}). Qui non viene conservato, ma altri "
        "possono averlo visto: cancelli il messaggio, poi revochi o cambi il segreto dove è stato emesso.",
        trouble="Qualcosa è andato storto da noi e non c'è risposta. Una persona del supporto può aiutare.",
        script="Lo script corretto è allegato; da rileggere prima di sottometterlo.",
        looking="sta cercando nelle guide",
        reading="sta leggendo passaggi delle guide ({n})",
        thanks="Grazie.",
        helpful="Utile",
        unhelpful="Non utile",
        more="Più dettagli",
        measure="Chiedere una misura",
        wished="Richiesto: «{words}». Così non parte nulla; gli ingegneri scrivono la specifica e approvano ogni "
        "esecuzione. Chieda a una persona se vuole conoscere il risultato.",
        wished_before="Questa misura è già stata chiesta; nulla è stato aggiunto.",
        person="Chiedere a una persona",
        undated="senza data",
        days_old="{n} giorni fa",
        months_old="{n} mesi fa",
    ),
    "es": Phrases(
        unsure="No estoy seguro: compruébelo antes de fiarse.",
        without_model="Compuesto con nuestras guías, sin nuestro modelo de lenguaje:",
        ask="Me haría falta además:",
        offer="No debo responder solo a esto. Una persona del soporte sí: abra un ticket y la respuesta llegará aquí.",
        told="Nuestras guías no dicen más que lo de arriba. Una persona del soporte puede mirarlo.",
        help="Respondo preguntas sobre IA en los sistemas EuroHPC: haga una, o pegue un script o un registro.",
        never="En este canal no respondo. Escríbame directamente.",
        opened="El ticket {number} está abierto. Una persona del soporte responde aquí; lo que añada aquí se une a él.",
        resolved="El ticket {number} está resuelto. Escriba aquí si queda algo.",
        leaked="Su mensaje contiene lo que parece un secreto ({kinds}). Aquí no se guarda, pero otros pueden haberlo "
        "visto: borre el mensaje y revoque o cambie el secreto donde se emitió.",
        trouble="Algo falló de nuestro lado y no hay respuesta. Una persona del soporte puede ayudar.",
        script="El script corregido va adjunto; léalo antes de enviarlo.",
        looking="está buscando en las guías",
        reading="está leyendo pasajes de las guías ({n})",
        thanks="Gracias.",
        helpful="Útil",
        unhelpful="No es útil",
        more="Más detalle",
        measure="Pedir una medición",
        wished="Pedido: «{words}». Con esto no empieza nada; los ingenieros escriben la especificación y aprueban "
        "cada ejecución. Pregunte a una persona si quiere conocer el resultado.",
        wished_before="Esta medición ya se había pedido; no se ha añadido nada.",
        person="Preguntar a una persona",
        undated="sin fecha",
        days_old="hace {n} días",
        months_old="hace {n} meses",
    ),
}


def phrases_for(language: str) -> Phrases:
    """English for every language that we have no phrases in."""
    return PHRASES.get(language, PHRASES["en"])
