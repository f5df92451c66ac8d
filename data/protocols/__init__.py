"""Messages of other systems: charging profiles (OCPP) and grid events (OpenADR), read and checked."""
