"""What flows through the bot: frozen, with no I/O and no platform. All that adapters see, beside ports and errors.

Times are timezone-aware datetimes in UTC unless a name says otherwise. A `repo` is the name by which a source knows a
repository: `owner/name` for a hosted one, an absolute path or a URL for git.

What is computed from values belongs to the room that computes it; here are shapes, and what follows from one alone.
"""

from bot.values.commit import *
from bot.values.delivery import *
from bot.values.digest import *
from bot.values.llm import *
from bot.values.look import *
from bot.values.message import *
from bot.values.talk import *
from bot.values.text import *
