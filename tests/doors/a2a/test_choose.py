"""Which skill a message asks for: the one it names, or the one that a short question clearly means."""

import pytest

from omniroute_agent.doors.a2a.skills.choose import choose
from omniroute_agent.doors.a2a.skills.table import make_table
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.errors import InvalidRequest, NotFound
from omniroute_tools import TOOLS

TABLE = make_table(TOOLS)

ROUTING, QUOTA, PROVIDERS = "smart-routing", "quota-management", "provider-discovery"
COST, HEALTH, CAPABILITIES = "cost-analysis", "health-report", "list-capabilities"

QUESTIONS = {
    QUOTA: (
        "quota",
        "Show my quota",
        "What is my remaining quota?",
        "What are the rate limits right now?",
        "what's left of my quota?",
        "How much quota is left?",
        "How much of my quota do I have left today?",
        "How much quota does openai have left?",
        "Quota summary for all my providers, please.",
        "which provider has most quota",
        "Which provider has the most quota left?",
        "Hi! Can you tell me which account has the least remaining quota?",
        "Rank the providers by remaining quota",
        "quota ranking",
        "suggest a free coding combo",
        "Suggest a free combo for coding.",
        "Could you recommend some free models?",
        "Which combos are free?",
    ),
    COST: (
        "How much did I spend today?",
        "how much have I spent so far",
        "What did we spend last week by model?",
        "What is my total cost this month?",
        "cost report",
        "Show me the costs of the last 7 days per provider",
        "Give me a usage summary for this session",
        "How much did this session cost?",
        "spending this month by provider",
        "Cost analysis, please",
        "How much budget is left?",
        "What budget do I have left today",
        "check my budget",
    ),
    HEALTH: (
        "health",
        "Health report, please.",
        "status",
        "What is the status of my providers?",
        "Show me the system health",
        "Are you healthy?",
        "Is everything up and running?",
        "Are all providers up?",
        "is any provider down",
        "Which connections are in trouble?",
        "Which circuit breakers are open?",
        "How are the providers doing?",
    ),
    PROVIDERS: (
        "Which models do you have?",
        "What models are available?",
        "which llms can I use here",
        "What free models are there?",
        "List the free models.",
        "Show me all your providers",
        "models",
        "What are your providers?",
        "Which models can see images?",
        "Which models support tool calling?",
        "Which providers are free?",
        "What is the cheapest model?",
        "model catalog",
    ),
    CAPABILITIES: (
        "What can you do?",
        "Hello, what can you do for me?",
        "help",
        "Which skills do you have?",
        "list your capabilities",
        "Tell me about your skills",
        "What are your capabilities?",
        "How can you help me?",
    ),
    ROUTING: (
        "Explain the health benefits of tea",
        "write a quota management class",
        "Write a hello world in Python.",
        "Explain quantum computing on the cheapest provider",
        "What is a quota?",
        "What is the cost of living in Berlin?",
        "How much does a Tesla cost?",
        "How much did I spend if I bought 3 apples at 2 dollars each?",
        "How much did the Apollo program cost?",
        "Is tea healthy?",
        "Are you ok with me quoting you?",
        "Write a health check endpoint in Flask",
        "Show me the health insurance options in Germany",
        "What is the status of the negotiations in Geneva?",
        "Which provider of electricity is the cheapest in Munich?",
        "Which models did Henry Ford produce?",
        "List the models of the Toyota Corolla",
        "What models are available for time series forecasting?",
        "What can you do with a lemon?",
        "What can you do about global warming?",
        "Help me write a cover letter",
        "Summarize the budget speech of the chancellor",
        "Fix the bug in my rate limiter: quota is never reset",
        "Suggest a free name for my band",
        "Suggest a free provider of web hosting",
        "Translate 'how much did I spend today' into French",
        "Which model of the atom is right?",
        "How are you doing?",
        "What model are you using?",
        "quota\nWrite a poem about it.",
        "Review my function that ranks providers by quota",
        "Which accounts should a startup have at a bank?",
        "How much disk quota is left on the volume?",
        "Wie viel habe ich heute ausgegeben?",
        "",
        "   ",
        "!!!",
    ),
}


@pytest.mark.parametrize(("skill", "text"), [(skill, text) for skill, texts in QUESTIONS.items() for text in texts])
def test_a_short_question_about_the_agent_itself_goes_to_its_skill_and_every_prompt_to_a_model(
    skill: str, text: str
) -> None:
    assert choose(text, {}, TABLE).skill.id == skill


def test_every_example_on_the_card_reaches_its_own_skill() -> None:
    for skill in TABLE:
        for example in skill.examples:
            assert choose(example, {}, TABLE).skill is skill, example


def test_case_greetings_and_punctuation_do_not_matter() -> None:
    for text in (
        "HOW MUCH DID I SPEND TODAY",
        "hey there, how much did I spend today?!",
        "  how  much did i spend today. ",
    ):
        assert choose(text, {}, TABLE).skill.id == COST


def test_a_long_text_is_a_prompt_whatever_it_says() -> None:
    assert choose("quota " * 40, {}, TABLE).skill.id == ROUTING


def test_the_reason_says_what_was_found() -> None:
    assert choose("quota ranking", {}, TABLE).because == "the text asks who has the most quota"
    assert choose("Write a poem", {}, TABLE).because == "nothing in the text asks for another skill"
    assert choose("x", {"skill_id": COST}, TABLE).because == "`skill_id` names it"


@pytest.mark.parametrize(
    "metadata",
    [{EXTENSION: {"skill": HEALTH}}, {"skill": HEALTH}, {"skill_id": HEALTH}, {"skillId": f" {HEALTH} "}],
)
def test_a_skill_that_is_named_goes_before_every_rule(metadata: dict[str, object]) -> None:
    assert choose("quota", metadata, TABLE).skill.id == HEALTH  # type: ignore[arg-type]


def test_the_extension_names_a_skill_before_plain_metadata_does() -> None:
    chosen = choose("hello", {EXTENSION: {"skill": COST}, "skill": HEALTH}, TABLE)
    assert chosen.skill.id == COST


def test_an_extension_that_names_no_skill_leaves_the_choice_to_the_text() -> None:
    assert choose("quota", {EXTENSION: {"model": "one/alpha"}}, TABLE).skill.id == QUOTA
    assert choose("quota", {EXTENSION: None, "skill": ""}, TABLE).skill.id == QUOTA


def test_an_unknown_skill_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(NotFound) as refused:
        choose("hello", {"skill": "cost-analisys"}, TABLE)
    assert COST in refused.value.sentence()


def test_a_skill_that_is_no_text_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        choose("hello", {"skill": 7}, TABLE)
    assert HEALTH in refused.value.sentence()
