"""The dashboard: what the corpora are, why, and what changed, as pages for people.

Pages are rendered on the server from the same questions that the API asks (`services.insights`); what is done from them
is done through the API's own routes. Tables work without scripts; charts are drawn from the tables.
"""
