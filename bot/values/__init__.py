"""The values that flow through the bot: frozen, without I/O and platforms. Adapters see only them, ports and errors.

Times are timezone-aware datetimes in UTC unless a name says otherwise. A `repo` is the name by which a source knows a
repository: `owner/name` for a hosted one, an absolute path or a URL for git.

Computations on several values belong in the room that needs them; here are types, and what follows from one value.
"""

from bot.values.commit import *
from bot.values.delivery import *
from bot.values.digest import *
from bot.values.llm import *
from bot.values.look import *
from bot.values.message import *
from bot.values.talk import *
from bot.values.text import *
