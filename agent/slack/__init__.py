"""Slack: what is particular about it. The conversation itself is `agent.chat`.

app       Socket Mode or signed HTTP: store, acknowledge, open what has to open at once
reading   payloads -> what somebody said
channel   the Web API behind `agent.chat.values.Channel`
acts      buttons, forms, commands, emoji, home
cards     drafts that wait, in the engineers' channel
"""
