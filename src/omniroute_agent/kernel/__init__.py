"""The words every room uses: chat, errors, caller, money, ports. Imports nothing of ours."""
