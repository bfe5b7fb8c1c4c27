"""Fixed texts that leave without a person's approval. Pure."""

from __future__ import annotations

from string import Template

_ACKNOWLEDGEMENTS = {
    "en": Template("""Hello,

we have received your message. Its ticket number is $number.

What happens next: an AI assistant prepares a draft answer from our guides and
facts. A support engineer reads it, corrects it where needed, and only then is
it sent to you. Nothing is sent without a person's approval.

To add something, reply to this mail and keep [$number] in the subject.
Should you write about something else within three hours, that request gets a
number of its own, which you will find in the subject of our answer.
Please do not send passwords or private keys.

MINERVA support, European support centre for AI on HPC
"""),
    "fr": Template("""Bonjour,

nous avons bien reçu votre message, dossier numéro $number.

La suite : un assistant d'IA prépare un projet de réponse à partir de nos
guides. Une personne de l'équipe de support le relit et le corrige ; rien ne
vous est envoyé sans son accord.

Pour compléter votre demande, répondez à ce message en gardant
[$number] dans l'objet. Une autre demande dans les trois heures
aura son propre numéro, indiqué dans l'objet de notre réponse.
N'envoyez ni mot de passe ni clé privée.

Support MINERVA, centre européen de support pour l'IA sur HPC
"""),
    "de": Template("""Guten Tag,

wir haben Ihre Nachricht erhalten. Sie hat die Ticketnummer $number.

Wie es weitergeht: Ein KI-Assistent bereitet aus unseren Anleitungen einen
Antwortentwurf vor. Eine Person aus dem Support prüft und verbessert ihn;
ohne ihre Freigabe wird nichts versendet.

Für Ergänzungen antworten Sie bitte auf diese Mail und lassen
[$number] im Betreff stehen. Eine weitere Anfrage innerhalb von
drei Stunden erhält eine eigene Nummer; Sie finden sie im Betreff unserer
Antwort. Bitte senden Sie keine Passwörter oder privaten Schlüssel.

MINERVA-Support, europäisches Unterstützungszentrum für KI auf HPC
"""),
    "it": Template("""Buongiorno,

abbiamo ricevuto il suo messaggio. Il numero del ticket è $number.

Che cosa succede ora: un assistente di IA prepara una bozza di risposta dalle
nostre guide. Una persona del supporto la controlla e la corregge; nulla viene
inviato senza la sua approvazione.

Per aggiungere qualcosa risponda a questa mail mantenendo [$number]
nell'oggetto. Un'altra richiesta entro tre ore avrà un numero proprio, che
troverà nell'oggetto della nostra risposta.
Non invii password o chiavi private.

Supporto MINERVA, centro europeo di supporto per l'IA su HPC
"""),
    "es": Template("""Hola:

hemos recibido su mensaje. Su número de solicitud es $number.

Qué ocurre ahora: un asistente de IA prepara un borrador de respuesta con
nuestras guías. Una persona del equipo lo revisa y lo corrige; nada se envía
sin su aprobación.

Para añadir algo, responda a este correo y conserve [$number]
en el asunto. Otra solicitud en las tres horas siguientes tendrá su propio
número, que encontrará en el asunto de nuestra respuesta.
No envíe contraseñas ni claves privadas.

Soporte de MINERVA, centro europeo de apoyo a la IA en HPC
"""),
}


def acknowledgement(number: str, language: str) -> str:
    """English for every language that we have no text in."""
    return _ACKNOWLEDGEMENTS.get(language, _ACKNOWLEDGEMENTS["en"]).substitute(number=number)
