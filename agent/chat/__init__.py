"""Conversations in chat: one engine for every service; a service is a folder that offers `agent.chat.values.Channel`.

intake        what the service tells is stored as it came, then acknowledged        agent.store.chat.keep_event
conversation  said, edited, deleted -> answered, asked back, offered a person, or silent
tickets       a conversation becomes a ticket; later messages join it
posting       what should stand in the chat is brought to stand there, once
"""
